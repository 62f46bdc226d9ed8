"""What the pages of one server share, so that the same work is known in every tab and language."""

from dataclasses import dataclass

from service.conversations.conversing import Conversing
from service.evaluating.evaluations import Evaluations
from service.knowledge_qa import KnowledgeQA
from service.models.downloads import ModelChanges


@dataclass(frozen=True, slots=True)
class Shared:
    """Work that goes on while pages come and go.

    Attributes:
        conversing: the answers that are being written.
        evaluations: of lists of questions, and their reports.
        model_changes: models that are being loaded.
    """

    conversing: Conversing
    evaluations: Evaluations
    model_changes: ModelChanges

    @classmethod
    def of(cls, qa: KnowledgeQA) -> "Shared":
        """Return what the pages of an application share."""
        return cls(Conversing(qa.conversations), Evaluations(), ModelChanges())

    def close(self) -> None:
        """End the work; before the application is closed."""
        self.model_changes.close()
        self.evaluations.close()
