"""What an export did: measured, and shown as text, JSON and a page."""
