"""What the kernel knows of processes: their CPU and their memory."""
import os, time

TICKS = os.sysconf("SC_CLK_TCK")


def tree(roots):
    """These processes and all below them: {pid: (seconds of CPU, with those of its dead children)}."""
    parents, seconds = {}, {}
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        parents[pid] = int(fields[1])
        seconds[pid] = sum(map(int, fields[11:15])) / TICKS

    def below(pid):
        while pid and pid not in roots:
            pid = parents.get(pid)
        return bool(pid)
    return {pid: used for pid, used in seconds.items() if below(pid)}


def cpu(roots):
    """
    What one that ends has used goes over to its parent, which began before it and is looked at before it: who ends in between is seen neither
    here nor there. So they are looked at until nobody does.
    """
    now = tree(roots)
    for _ in range(100):
        before, now = now, tree(roots)
        if before.keys() == now.keys():
            break
        time.sleep(0.01)
    return sum(now.values())


def pss_kib(roots):
    """Resident memory, what is shared by halves."""
    total = 0
    for pid in tree(roots):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            continue
    return total
