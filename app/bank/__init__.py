"""The question bank, and what finds the skills, level and field a text names."""
