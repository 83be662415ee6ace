/* The published vectors: the examples of Amazon S3's API reference, and of the SigV4 test suite. */
#include <criterion/criterion.h>

#include "libcommon/crypto/sigv4.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct vector {
	const char *name, *method, *path;
	struct sigv4_pair query[3];
	size_t query_count;
	struct sigv4_pair headers[6];
	size_t header_count;
	const char *payload, *signed_headers, *signature;
};

#define H(n, v) { STR(n), STR(v) }
#define S3_HOST H("host", "examplebucket.s3.amazonaws.com")
#define S3_DATE H("x-amz-date", "20130524T000000Z")

static const struct vector s3_vectors[] = {
	{ "GET Object", "GET", "/test.txt", { { STR_NONE, STR_NONE } }, 0,
	    { S3_HOST, H("range", "bytes=0-9"), H("x-amz-content-sha256", EMPTY), S3_DATE }, 4, EMPTY,
	    "host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "PUT Object", "PUT", "/test$file.text", { { STR_NONE, STR_NONE } }, 0,
	    { H("date", "Fri, 24 May 2013 00:00:00 GMT"), S3_HOST,
	        H("x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"), S3_DATE,
	        H("x-amz-storage-class", "REDUCED_REDUNDANCY") }, 5,
	    "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
	    "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "GET Bucket Lifecycle", "GET", "/", { H("lifecycle", "") }, 1,
	    { S3_HOST, H("x-amz-content-sha256", EMPTY), S3_DATE }, 3, EMPTY, "host;x-amz-content-sha256;x-amz-date",
	    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "GET Bucket (List Objects)", "GET", "/", { H("prefix", "J"), H("max-keys", "2") }, 2,
	    { S3_HOST, H("x-amz-content-sha256", EMPTY), S3_DATE }, 3, EMPTY, "host;x-amz-content-sha256;x-amz-date",
	    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static const struct vector suite_vectors[] = {
	{ "get-vanilla", "GET", "/", { { STR_NONE, STR_NONE } }, 0,
	    { H("host", "example.amazonaws.com"), H("x-amz-date", "20150830T123600Z") }, 2, EMPTY, "host;x-amz-date",
	    "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-query-order-key-case", "GET", "/", { H("Param2", "value2"), H("Param1", "value1") }, 2,
	    { H("host", "example.amazonaws.com"), H("x-amz-date", "20150830T123600Z") }, 2, EMPTY, "host;x-amz-date",
	    "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-header-value-trim", "GET", "/", { { STR_NONE, STR_NONE } }, 0,
	    { H("host", "example.amazonaws.com"), H("my-header1", " value1"), H("my-header2", " \"a b c\""),
	        H("x-amz-date", "20150830T123600Z") }, 4, EMPTY, "host;my-header1;my-header2;x-amz-date",
	    "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "post-vanilla", "POST", "/", { { STR_NONE, STR_NONE } }, 0,
	    { H("host", "example.amazonaws.com"), H("x-amz-date", "20150830T123600Z") }, 2, EMPTY, "host;x-amz-date",
	    "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
};

static void
check(const struct vector *v, const struct sigv4_keys *keys, const char *time)
{
	struct arena arena = { 0 };
	struct sigv4_pair query[3];
	struct sigv4_request req = { .method = str_c(v->method), .headers = v->headers, .header_count = v->header_count,
		.payload = str_c(v->payload), .time = str_c(time) };
	struct str got, expected;

	memcpy(query, v->query, sizeof(query));
	req.path = sigv4_encode(&arena, str_c(v->path), true);
	req.query = sigv4_query(&arena, query, v->query_count);
	got = sigv4_authorization(&arena, keys, &req);
	expected = arena_printf(&arena, "AWS4-HMAC-SHA256 Credential=%.*s/%.8s/us-east-1/%.*s/aws4_request, SignedHeaders=%s, Signature=%s",
	    STR_ARG(keys->access_key), time, STR_ARG(keys->service), v->signed_headers, v->signature);
	cr_assert(str_equal(got, expected), "%s: %.*s", v->name, STR_ARG(got));
	arena_clear(&arena);
}

Test(sigv4, signs_the_examples_of_the_s3_reference)
{
	struct sigv4_keys keys = { STR("AKIAIOSFODNN7EXAMPLE"), STR("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), STR("us-east-1"), STR("s3") };

	for (size_t i = 0; i < sizeof(s3_vectors) / sizeof(*s3_vectors); i++)
		check(&s3_vectors[i], &keys, "20130524T000000Z");
}

Test(sigv4, signs_the_examples_of_the_test_suite)
{
	struct sigv4_keys keys = { STR("AKIDEXAMPLE"), STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"), STR("us-east-1"), STR("service") };

	for (size_t i = 0; i < sizeof(suite_vectors) / sizeof(*suite_vectors); i++)
		check(&suite_vectors[i], &keys, "20150830T123600Z");
}

Test(sigv4, encodes_all_but_the_unreserved)
{
	struct arena arena = { 0 };

	cr_assert(str_equal(sigv4_encode(&arena, STR("aZ09-._~ /+=\xff"), false), STR("aZ09-._~%20%2F%2B%3D%FF")));
	cr_assert(str_equal(sigv4_encode(&arena, STR("a/b c"), true), STR("a/b%20c")));
	cr_assert(str_equal(sigv4_encode(&arena, str_from("\0", 1), true), STR("%00")));
	arena_clear(&arena);
}

Test(sigv4, writes_the_time_in_utc)
{
	struct arena arena = { 0 };

	cr_assert(str_equal(sigv4_time(&arena, 1369353600000), STR("20130524T000000Z")));
	arena_clear(&arena);
}
