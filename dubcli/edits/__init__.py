"""Files a person may edit: who is who, who speaks when, mouths frame by frame, speaking styles."""
