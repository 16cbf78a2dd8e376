"""Runs the modules beside it, or those that are named, and ends with one line: how many tests passed and failed."""

import signal
import sys
import time
import unittest
from pathlib import Path

MODULES = [
    "boto3_test",
    "aws_cli_test",
    "evidence_test",
    "template_test",
    "stack_on_moto",
    "docker_test",
    "sam_local_test",
    "infra_test",
    "batch_test",
]


class Lines(unittest.TestResult):
    """A line for each test, as soon as it has ended."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.begun = time.monotonic()

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def line(self, mark, test, detail=""):
        # "setUpClass (boto3_test.Boto3Test)" names itself.
        name = (
            test._testMethodName.removeprefix("test_").replace("_", " ")
            if isinstance(test, unittest.TestCase)
            else str(test)
        )
        print(f"  {mark:4} {name} ({time.monotonic() - self.begun:.1f} s){detail}", flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.line("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("SKIP", test, f": {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("FAIL", test, f"\n{self.failures[-1][1]}")

    def addError(self, test, err):
        super().addError(test, err)
        self.line("FAIL", test, f"\n{self.errors[-1][1]}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.line("FAIL", test, f" {subtest._subDescription()}\n{(self.failures + self.errors)[-1][1]}")

    @property
    def failed(self):
        return len(self.failures) + len(self.errors) + len(self.unexpectedSuccesses)


def main(names):
    # What unittest does not take for the failure of a test, so that everything that was started is stopped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.path.insert(0, str(Path(__file__).parent))
    passed = failed = 0
    skipped = []
    for name in names:
        print(f"== {name}", flush=True)
        result = Lines()
        unittest.defaultTestLoader.loadTestsFromName(name).run(result)
        if result.passed + result.failed + len(result.skipped) == 0:
            print(f"  FAIL {name} holds no test")
            failed += 1
        passed += result.passed
        failed += result.failed
        skipped += [reason for _, reason in result.skipped]
    for reason in skipped:
        print(f"SKIPPED: {reason}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:] or MODULES))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
