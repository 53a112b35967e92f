"""Logs that grow: looked at again and again, judged as `check` judges them, and acted upon."""

from overfit_monitor.following.follower import FollowedRun, Follower, Look
from overfit_monitor.following.news import News, Newsroom

__all__ = ["FollowedRun", "Follower", "Look", "News", "Newsroom"]
