"""What a study found, as a page to take away."""

from app.core.studies.page.whole import study_page

__all__ = ["study_page"]
