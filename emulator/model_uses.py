"""Which models a scenario runs, where it names them, and what keeps one from being run."""

from typing import TYPE_CHECKING

from emulator.layers import inside
from emulator.model_files import model_file
from emulator.toml_text import Path as Field
from workloads.models import model_names

if TYPE_CHECKING:
    from emulator.scenario import LoadedScenario, Scenario


def model_uses(scenario: "Scenario") -> list[tuple[Field, str]]:
    """Field and name of each model that is run: `imaging.model`, or with a pipeline the stages'."""
    if scenario.pipeline is None:
        return [(("imaging", "model"), scenario.imaging.model)]
    return [(("pipeline", "stages", n, "model"), stage.model) for n, stage in enumerate(scenario.pipeline.stages)]


def model_problems(loaded: "LoadedScenario") -> list[tuple[Field, str]]:
    """Models that do not ship and have no file, or one that a scenario may not name."""
    scenario = loaded.scenario
    found: list[tuple[Field, str]] = []
    known = model_names()
    uses = dict.fromkeys([(("imaging", "model"), scenario.imaging.model), *model_uses(scenario)])
    for field, name in uses:
        if name not in (*known, *scenario.models, ""):
            text = f"is {name[:200]!r}; one of {', '.join(known)}, or a name with a file under [models]"
            found.append((field, text))
    for name in scenario.models:
        own = model_file(scenario.models, name)
        path = own.file
        found += [(("models", name, field), message) for field, message in own.problems()]
        if loaded.folder is None:
            found.append((("models", name), f"is {path!r}; a shipped scenario cannot name files"))
        elif not inside(loaded.folder, path):
            text = f"is {path[:200]!r}, which leads out of the scenario's folder; put the file inside it"
            found.append((("models", name), text))
    return found
