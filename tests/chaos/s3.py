"""What a bucket lists, asked for with signature version 4."""
import datetime, hashlib, hmac, urllib.parse, urllib.request, xml.etree.ElementTree

ACCESS, SECRET, REGION = "TESTKEY", "TESTSECRET", "us-east-1"


def signed(endpoint, path, query):
    """A GET with the headers that it needs."""
    host, now = endpoint.split("//")[1], datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    text = "&".join(f"{urllib.parse.quote(k, safe='')}={urllib.parse.quote(v, safe='')}" for k, v in sorted(query.items()))
    nothing, names = hashlib.sha256(b"").hexdigest(), "host;x-amz-content-sha256;x-amz-date"
    canonical = f"GET\n{path}\n{text}\nhost:{host}\nx-amz-content-sha256:{nothing}\nx-amz-date:{now}\n\n{names}\n{nothing}"
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    key = f"AWS4{SECRET}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return urllib.request.Request(f"{endpoint}{path}?{text}", headers={
        "x-amz-date": now, "x-amz-content-sha256": nothing,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"})


def keys(endpoint, bucket, prefix):
    """All that begin with it."""
    after = ""
    while True:
        query = {"list-type": "2", "prefix": prefix, **({"start-after": after} if after else {})}
        with urllib.request.urlopen(signed(endpoint, f"/{bucket}", query), timeout=30) as answer:
            page = [node.text for node in xml.etree.ElementTree.fromstring(answer.read()).iter() if node.tag.endswith("}Key")]
        yield from page
        if not page:
            return
        after = page[-1]
