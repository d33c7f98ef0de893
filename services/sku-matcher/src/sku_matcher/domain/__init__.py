"""What a line's SKU is, and what a catalogue message changes: pure functions over frozen values."""
