"""How fast styles and engines are on a machine: measured side by side, each in a process of its own."""
