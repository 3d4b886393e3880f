"""AddTags, ListTags and DeleteTags: tags live in the document of what they mark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.sagemaker.errors import ValidationException

if TYPE_CHECKING:
    from infra.sagemaker.documents import Document, DocumentStore
    from infra.sagemaker.operations import Operations

MAX_TAGS = 50
"""Tags on one resource (SageMaker's quota)."""


class Tags:
    """The tag operations over every kind of resource that the store holds."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    def operations(self) -> Operations:
        """The operations that this class answers."""
        return {"AddTags": self.add, "ListTags": self.list_all, "DeleteTags": self.delete}

    async def add(self, request: dict[str, Any]) -> dict[str, Any]:
        """Set tags; one that exists takes the new value."""
        kind, name, document = self._find(request["ResourceArn"])
        merged = as_mapping(document) | {tag["Key"]: tag["Value"] for tag in request["Tags"]}
        if len(merged) > MAX_TAGS:
            raise ValidationException(f"Tag limit exceeded: {len(merged)} tags, at most {MAX_TAGS}")
        document["Tags"] = [{"Key": key, "Value": value} for key, value in merged.items()]
        self._store.put(kind, name, document)
        return {"Tags": document["Tags"]}

    async def list_all(self, request: dict[str, Any]) -> dict[str, Any]:
        """All tags: at most 50, which is the smallest page that may be asked for."""
        _, _, document = self._find(request["ResourceArn"])
        return {"Tags": document.get("Tags", [])}

    async def delete(self, request: dict[str, Any]) -> dict[str, Any]:
        """Remove tags; keys that are not there are passed over, as AWS does."""
        kind, name, document = self._find(request["ResourceArn"])
        unwanted = set(request["TagKeys"])
        document["Tags"] = [tag for tag in document.get("Tags", []) if tag["Key"] not in unwanted]
        self._store.put(kind, name, document)
        return {}

    def _find(self, arn: str) -> tuple[str, str, Document]:
        found = self._store.find(arn)
        if found is None:
            raise ValidationException(f"Could not find resource {arn}.")
        return found


def as_mapping(document: Document) -> dict[str, str]:
    """A document's tags by key."""
    return {tag["Key"]: tag["Value"] for tag in document.get("Tags", [])}
