"""MP4 and MOV: what their boxes say that PyAV does not tell and ffmpeg's muxer does not write."""
