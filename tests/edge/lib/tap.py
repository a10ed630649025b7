"""Runs functions as tests, with output as TAP; a function's name is the test's."""


class Skip(Exception):
    """Raised by a test that cannot be run here; says why."""


def run(tests):
    failed = 0
    print(f"1..{len(tests)}")
    for number, test in enumerate(tests, 1):
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok {number} - {name}", flush=True)
        except Skip as why:
            print(f"ok {number} - {name} # SKIP {why}", flush=True)
        except Exception as error:  # any failure is a failed test
            failed += 1
            print(f"not ok {number} - {name}: {error!r}", flush=True)
    return failed > 0
