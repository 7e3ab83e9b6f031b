"""Courses, completions, certifications and policy acknowledgments; who may use what until when."""
