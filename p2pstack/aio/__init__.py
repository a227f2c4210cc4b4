"""The asyncio shell: everything that awaits stands in here or above."""
