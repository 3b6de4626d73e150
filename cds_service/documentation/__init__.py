"""The rulebook as pages that a pharmacist can read: Markdown out of rules, codes and cases."""
