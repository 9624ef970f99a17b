"""What becomes of a timeline: files for programs, players and annotation tools, and a picture."""

from emofusion.evaluation.timelines.files import FORMATS, save_timeline
from emofusion.evaluation.timelines.picture import save_timeline_picture, timeline_figure

__all__ = ["FORMATS", "save_timeline", "save_timeline_picture", "timeline_figure"]
