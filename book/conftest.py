"""Chapters whose numbers depend on the machine: only cells tagged nbval-check-output are compared."""

LAX = ("16_", "19_", "23_")


def pytest_collectstart(collector):
    if type(collector).__name__ == "IPyNbFile" and collector.path.name.startswith(LAX):
        collector.compare_outputs = False
