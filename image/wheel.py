"""The wheel of the production image: the operator without its sandbox.

`hatchling build --target custom` makes it. The ordinary wheel has the sandbox, too, for who installs the
extra `sandbox`; its programs and emulator have no place beside a key to production.
"""

from __future__ import annotations

from hatchling.builders.wheel import WheelBuilder


class ProductionWheel(WheelBuilder):
    """As `[tool.hatch.build.targets.custom]` says what is in it; without commands of what is not."""

    def construct_entry_points_file(self) -> str:
        """The console scripts of the packages in this wheel."""
        packages = tuple(f"{path.rpartition('/')[2]}." for path in self.config.packages)
        scripts = self.metadata.core.scripts.items()
        shipped = [f"{name} = {target}" for name, target in scripts if target.startswith(packages)]
        return "\n".join(["[console_scripts]", *shipped, ""])


def get_builder() -> type[ProductionWheel]:
    """What Hatchling asks a script with several builders for."""
    return ProductionWheel
