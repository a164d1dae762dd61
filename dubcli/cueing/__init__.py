"""Who speaks when: what joins faces with sound."""
