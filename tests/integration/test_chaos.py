"""Everything is killed, stopped and restarted while clients work: what they were told is what is there."""
from chaos import run
from harness.check import Skip, only, within

SECONDS = 12


@only("split")
@within(300)
def test_nothing_is_lost_or_doubled_whatever_dies(stack):
    """A short run of what `./dev test chaos kills=500` does for long."""
    if not stack.s3:
        raise Skip("no S3 in this combination")
    run.run_short(stack, SECONDS)
