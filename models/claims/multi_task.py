"""What the entry of :mod:`pyrogen.models.heads.multi_task` claims."""
