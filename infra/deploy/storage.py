"""The buckets and what is kept in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from infra.deploy.gateway import find_api
from infra.deploy.page import PAGE_CONFIG, REVALIDATE
from infra.deploy.scope import OWNER_TAG, tag_list
from infra.deploy.service import check_owner, is_absent, tags_of, unlike

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.deploy.resources import Bucket, Files, PageConfig, StoredFile
    from infra.deploy.scope import Scope
    from infra.deploy.service import Report

_MEGABYTE = 1024 * 1024
TRANSFER = TransferConfig(multipart_threshold=16 * _MEGABYTE, multipart_chunksize=16 * _MEGABYTE)

SHA256_METADATA = "sha256"
"""User metadata that tells a stored file's content: the ETag of a multipart upload does not."""

FOR_EVER = "private, max-age=31536000"
"""Cache header of objects whose keys follow their content."""

_DELETE_BATCH = 1000  # DeleteObjects takes no more


@dataclass(frozen=True, slots=True)
class BucketService:
    """Buckets: encrypted, tagged, closed to the public or open for reading as a website."""

    scope: Scope

    def differences(self, wanted: Bucket) -> tuple[str, ...] | None:
        if not self._exists(wanted.name):
            return None
        self._check_owner(wanted.name)
        return unlike(self._settings(wanted.name), self._wanted_settings(wanted))

    def apply(self, wanted: Bucket, report: Report) -> None:  # noqa: ARG002 (takes no time)
        s3 = self.scope.client("s3")
        if not self._exists(wanted.name):
            s3.create_bucket(Bucket=wanted.name, **self._location())
        tags = {**self._tags(wanted.name), **self.scope.tags}
        s3.put_bucket_tagging(Bucket=wanted.name, Tagging={"TagSet": tag_list(tags)})
        s3.put_public_access_block(
            Bucket=wanted.name, PublicAccessBlockConfiguration=access_block(wanted)
        )
        s3.put_bucket_encryption(Bucket=wanted.name, ServerSideEncryptionConfiguration=ENCRYPTION)
        if wanted.website:
            s3.put_bucket_website(Bucket=wanted.name, WebsiteConfiguration=_WEBSITE)
            policy = json.dumps(public_read(self.scope, wanted.name))
            s3.put_bucket_policy(Bucket=wanted.name, Policy=policy)

    def delete(self, name: str) -> bool:
        """Delete a bucket and all in it; whether it was there."""
        if not self._exists(name):
            return False
        self._check_owner(name)
        s3 = self.scope.client("s3")
        delete_objects(s3, name, list_keys(s3, name))
        _delete_versions(s3, name)
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        s3.delete_bucket(Bucket=name)
        return True

    def _exists(self, name: str) -> bool:
        try:
            self.scope.client("s3").head_bucket(
                Bucket=name, ExpectedBucketOwner=self.scope.account_id
            )
        except ClientError as error:
            if is_absent(error):
                return False
            raise
        return True

    def _check_owner(self, name: str) -> None:
        """Refuse a bucket that is another's; one without tag and content is ours, half-made."""
        s3, tags = self.scope.client("s3"), self._tags(name)
        if tags or s3.list_objects_v2(Bucket=name, MaxKeys=1)["KeyCount"]:
            check_owner(f"bucket {name}", tags, self.scope)

    def _tags(self, name: str) -> dict[str, str]:
        s3 = self.scope.client("s3")
        return tags_of(_read(lambda: s3.get_bucket_tagging(Bucket=name)["TagSet"]) or [])

    def _location(self) -> dict[str, Any]:
        region = self.scope.target.region
        if region == "us-east-1":  # the one region that must not be named
            return {}
        return {"CreateBucketConfiguration": {"LocationConstraint": region}}

    def _wanted_settings(self, wanted: Bucket) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "tag": self.scope.name,
            "public access": access_block(wanted),
            "encryption": ENCRYPTION["Rules"][0]["ApplyServerSideEncryptionByDefault"],
        }
        if wanted.website:
            settings |= {"website": _WEBSITE, "policy": public_read(self.scope, wanted.name)}
        return settings

    def _settings(self, name: str) -> dict[str, Any]:
        s3 = self.scope.client("s3")
        return {
            "tag": self._tags(name).get(OWNER_TAG),
            "public access": _read(
                lambda: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
            ),
            "encryption": _read(
                lambda: s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"][
                    "Rules"
                ][0]["ApplyServerSideEncryptionByDefault"]
            ),
            "website": _read(lambda: _website(s3.get_bucket_website(Bucket=name))),
            "policy": _read(lambda: json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])),
        }


@dataclass(frozen=True, slots=True)
class FilesService:
    """Files in a bucket, told apart by SHA-256, content type and cache header."""

    scope: Scope

    def differences(self, wanted: Files) -> tuple[str, ...] | None:
        standing = set(self._standing_keys(wanted))
        if not standing.intersection(stored.key for stored in wanted.files):
            return None
        unlike_keys = [
            stored.key
            for stored in wanted.files
            if stored.key not in standing or not self._is_stored(wanted.bucket, stored)
        ]
        return (*unlike_keys, *(f"{key} (removed)" for key in self._stale(wanted, standing)))

    def apply(self, wanted: Files, report: Report) -> None:
        s3 = self.scope.client("s3")
        standing = set(self._standing_keys(wanted))
        for stored in wanted.files:
            if stored.key in standing and self._is_stored(wanted.bucket, stored):
                continue
            report(f"uploading {stored.key}")
            upload(s3, wanted.bucket, stored)
        delete_objects(s3, wanted.bucket, self._stale(wanted, standing))

    def _standing_keys(self, wanted: Files) -> list[str]:
        s3 = self.scope.client("s3")
        prefix = "" if wanted.complete else wanted.files[0].key.rsplit("/", 1)[0]
        return _read(lambda: list_keys(s3, wanted.bucket, prefix)) or []

    def _is_stored(self, bucket: str, stored: StoredFile) -> bool:
        head = self.scope.client("s3").head_object(Bucket=bucket, Key=stored.key)
        return not unlike(
            {**head, "sha256": head["Metadata"].get(SHA256_METADATA)},
            {
                "sha256": stored.sha256,
                "ContentType": stored.content_type,
                "CacheControl": stored.cache_control,
            },
        )

    def _stale(self, wanted: Files, standing: set[str]) -> list[str]:
        if not wanted.complete:
            return []
        return sorted(standing - {stored.key for stored in wanted.files} - set(wanted.keep))


@dataclass(frozen=True, slots=True)
class PageConfigService:
    """The page's `config.json`. Its content is known only once the API has its id."""

    scope: Scope

    def differences(self, wanted: PageConfig) -> tuple[str, ...] | None:
        s3 = self.scope.client("s3")
        standing = _read(lambda: s3.get_object(Bucket=wanted.name, Key=PAGE_CONFIG))
        if standing is None:
            return None
        found = json.loads(standing["Body"].read())
        return () if found == json.loads(self._content(wanted)) else ("address or key",)

    def apply(self, wanted: PageConfig, report: Report) -> None:  # noqa: ARG002 (takes no time)
        self.scope.client("s3").put_object(
            Bucket=wanted.name,
            Key=PAGE_CONFIG,
            Body=self._content(wanted),
            ContentType="application/json",
            CacheControl=REVALIDATE,
        )

    def _content(self, wanted: PageConfig) -> bytes:
        api_id = find_api(self.scope, wanted.api)
        url = self.scope.api_url(api_id) if api_id else None
        asks = {"apiKey": "ask"} if wanted.asks_for_key else {}
        return json.dumps({"apiUrl": url, **asks}).encode()


def upload(
    s3: Any, bucket: str, stored: StoredFile, progress: Callable[[int], None] | None = None
) -> None:
    """Upload a file, in parts where it is large; `progress` takes the bytes of each part sent."""
    s3.upload_file(
        str(stored.source),
        bucket,
        stored.key,
        ExtraArgs={
            "ContentType": stored.content_type,
            "CacheControl": stored.cache_control,
            "Metadata": {SHA256_METADATA: stored.sha256},
        },
        Callback=progress,
        Config=TRANSFER,
    )


def list_keys(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """The keys in a bucket that begin with `prefix`, all pages."""
    return [entry["Key"] for entry in list_objects(s3, bucket, prefix)]


def list_objects(s3: Any, bucket: str, prefix: str = "") -> list[dict[str, Any]]:
    """What S3 lists of the objects whose keys begin with `prefix`, all pages."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry for page in pages for entry in page.get("Contents", [])]


def delete_objects(s3: Any, bucket: str, keys: list[str]) -> None:
    for start in range(0, len(keys), _DELETE_BATCH):
        batch = [{"Key": key} for key in keys[start : start + _DELETE_BATCH]]
        s3.delete_objects(Bucket=bucket, Delete={"Objects": batch, "Quiet": True})


def _delete_versions(s3: Any, bucket: str) -> None:
    """Where someone turned versioning on, former versions would keep the bucket from going."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
            s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])


ENCRYPTION = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
_WEBSITE = {"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "index.html"}}


def public_read(scope: Scope, bucket: str) -> dict[str, Any]:
    """A bucket policy: everyone may read objects, and nothing else."""
    statement = {
        "Sid": "PublicRead",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"{scope.arn('s3', bucket)}/*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def access_block(wanted: Bucket) -> dict[str, bool]:
    """Access lists open neither kind of bucket; a policy opens a website's."""
    return {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": not wanted.website,
        "RestrictPublicBuckets": not wanted.website,
    }


def _website(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer[name] for name in _WEBSITE if name in answer}


def _read(ask: Callable[[], Any]) -> Any:
    """What S3 answers, or None where the bucket, object or setting is not there."""
    try:
        return ask()
    except ClientError as error:
        if is_absent(error):
            return None
        raise
