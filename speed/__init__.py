"""How fast styles and engines are on a machine: measured side by side, each in a process of its own."""

from neural_style.telemetry import switch_off_telemetry

switch_off_telemetry()
