"""What media files are called: the endings by which films, sounds and still pictures are found in folders."""

VIDEO_ENDINGS = frozenset(
    ".3gp .avi .flv .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .webm .wmv".split(),
)
AUDIO_ENDINGS = frozenset(".aac .aif .aiff .flac .m4a .mka .mp3 .oga .ogg .opus .wav .wma".split())
STILL_ENDINGS = frozenset(".bmp .gif .jpeg .jpg .png .tif .tiff .webp".split())
MEDIA_ENDINGS = VIDEO_ENDINGS | AUDIO_ENDINGS
"""Of what clips can be: films and sounds."""
CLIP_WORDS = "films and sounds such as .mp4, .mov, .webm, .wav, .flac and .m4a"
"""These in an error, which has no room for all of them."""
