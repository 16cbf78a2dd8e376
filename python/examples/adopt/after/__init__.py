"""After: keys.py, columns.py, reencrypt.py and backup.py are gone. What is left is the models, and columns.json."""
