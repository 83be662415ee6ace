"""The figures as people read them: progress, tables, and docs/performance.md."""
import os, re, statistics, sys, time

import peers

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = TOP + "/docs/performance.md"
began = time.monotonic()


def progress(text):
    print(f"{time.monotonic() - began:7.1f} {text}", file=sys.stderr, flush=True)


def setup(options):
    with open("/proc/cpuinfo") as cpuinfo:
        model = re.search(r"model name\s*: (.*)", cpuinfo.read())
    return (f"{time.strftime('%Y-%m-%d %H:%M')} on {os.cpu_count()} cores{' of ' + model[1] if model else ''}, load {os.getloadavg()[1]:.1f}; "
            f"{'; '.join(peers.versions())}. Medians of {options.rounds} rounds{f', mails and repetitions divided by {options.scale}' if options.scale > 1 else ''}.\n"
            f"Durable: Dovecot by {peers.Dovecot.durable}; Sora by {peers.Sora.durable}. Client, servers and database share the cores.\n\n")


def median(rounds, key):
    return statistics.median(figures[key] for figures in rounds)


def row(case, name, rounds, first):
    def each(key):
        return f"{median(rounds, key):.2f}" if key in rounds[0] else ""
    rate, cpu = median(rounds, "rate"), median(rounds, "cpu_ms")
    shown = {"ms": f"{1000 / rate:.2f} ms", "KiB": f"{1 / rate:.1f} KiB"}.get(case.unit, f"{rate:.0f} {case.unit}")
    ratios = ("", "") if rounds is first else (f"{rate / median(first, 'rate'):.2f} x",
                                              f"{median(first, 'cpu_ms') / cpu:.2f} x" if cpu else "")
    return "| " + " | ".join((case.name, name, shown, each("p50_ms"), each("p99_ms"), f"{cpu:.2f}", *ratios)) + " |\n"


def table(group, results):
    """Ratios are to the first peer: above 1 is better than it."""
    text = f"### {group.title}\n\n| case | who | | p50 ms | p99 ms | CPU ms each | speed | CPU |\n| --- | --- | --: | --: | --: | --: | --: | --: |\n"
    for case, by_peer in results.items():
        first = next(iter(by_peer.values()))
        for name, rounds in by_peer.items():
            text += row(case, name, rounds, first)
    return text + "\n"


def keep(name, text):
    """Put it in its place in the page."""
    with open(PAGE) as page:
        old = page.read()
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, _, rest = old.partition(begin)
    after = rest.partition(end)[2]
    with open(PAGE, "w") as page:
        page.write(before + begin + text + end + after)
