"""Templates say what the plan says; CloudFormation's are held to cfn-lint, which knows AWS's."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from contracts import DeployError
from infra.deploy import model_bundle
from infra.deploy.options import DeployOptions
from infra.deploy.resources import UsageLimits
from infra.deploy.templates.packaging import write_package
from testing.small_model import write_small_artifact

if TYPE_CHECKING:
    from infra.deploy.templates.packaging import Format

ENDPOINT_TYPES = {
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::SageMaker::Model",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Endpoint",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::Stage",
}
KEY_TYPES = {f"AWS::ApiGateway::{name}" for name in ("ApiKey", "UsagePlan", "UsagePlanKey")}
LIMITS = UsageLimits(rate=5, burst=7, quota=100)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_artifact(tmp_path_factory.mktemp("artifact"))


@pytest.fixture(scope="module")
def build_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that Chalice packages once for each format."""
    return tmp_path_factory.mktemp("build")


@pytest.fixture(scope="module")
def options(artifact: Path, build_dir: Path) -> DeployOptions:
    return DeployOptions(artifact, limits=LIMITS, data_capture=20, build_dir=build_dir)


@pytest.fixture(scope="module")
def lambda_only(artifact: Path, build_dir: Path) -> DeployOptions:
    """With the model in the function; a file stands for the libraries."""
    libraries = build_dir / "some-libraries"
    libraries.mkdir()
    (libraries / "numpy.py").touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_bundle, "install_libraries", lambda _: libraries)
        options = DeployOptions(artifact, lambda_only=True, build_dir=build_dir)
        write_package("shelf", "eu-central-1", options, "terraform", build_dir / "warm")
    return options


def written(options: DeployOptions, format_: Format, out: Path) -> dict[str, Any]:
    package = write_package("shelf", "eu-central-1", options, format_, out)
    return {path.name: json.loads(path.read_text()) for path in package.templates}


@pytest.fixture(scope="module")
def cloudformation(
    options: DeployOptions, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("cloudformation")
    return out, written(options, "cloudformation", out)


@pytest.fixture(scope="module")
def terraform(
    options: DeployOptions, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("terraform")
    return out, written(options, "terraform", out)["main.tf.json"]


def types_of(template: dict[str, Any]) -> set[str]:
    return {resource["Type"] for resource in template["Resources"].values()}


def lint(*templates: Path) -> str:
    """cfn-lint's findings, errors and warnings; the region is the templates' own."""
    import cfnlint.api  # here: it takes seconds to load
    import cfnlint.core

    rules = cfnlint.core.get_rules([], [], [])
    found = [
        str(match)
        for path in templates
        for match in cfnlint.api.lint(path.read_text(), rules=rules, regions=["eu-central-1"])
    ]
    return "\n".join(found)


def test_cloudformation_makes_what_the_plan_makes(
    cloudformation: tuple[Path, dict[str, Any]],
) -> None:
    """Buckets apart, since files must lie in them before the rest can stand."""
    _, templates = cloudformation
    assert types_of(templates["buckets.json"]) == {"AWS::S3::Bucket", "AWS::S3::BucketPolicy"}
    assert types_of(templates["service.json"]) == ENDPOINT_TYPES | KEY_TYPES


def test_cloudformation_has_no_findings_of_cfn_lint(
    cloudformation: tuple[Path, dict[str, Any]], lambda_only: DeployOptions, tmp_path: Path
) -> None:
    """Types, properties, references and formats are AWS's, in both variants."""
    written(lambda_only, "cloudformation", tmp_path)
    service = tmp_path / "service.json"
    assert lint(*(cloudformation[0] / name for name in cloudformation[1]), service) == ""


def test_lint_would_find_a_slip(
    cloudformation: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The linter itself works: a property that there is not is found."""
    document = json.loads(json.dumps(cloudformation[1]["service.json"]))
    document["Resources"]["Endpoint"]["Properties"]["EndpointNaem"] = "shelf"
    (tmp_path / "slip.json").write_text(json.dumps(document))
    assert "EndpointNaem" in lint(tmp_path / "slip.json")


def test_cloudformation_orders_what_depends(cloudformation: tuple[Path, dict[str, Any]]) -> None:
    """Names are spelled out, so that CloudFormation cannot see by itself what needs what."""
    resources = cloudformation[1]["service.json"]["Resources"]
    assert resources["Model"]["DependsOn"] == ["HostingRole"]
    assert resources["EndpointConfig"]["DependsOn"] == ["Model"]
    assert resources["Endpoint"]["DependsOn"] == ["EndpointConfig"]
    assert set(resources["Function"]["DependsOn"]) == {"LambdaRole", "FunctionLogs", "Endpoint"}
    assert resources["RestApi"]["DependsOn"] == ["Function"]


def test_no_account_is_written_down(
    cloudformation: tuple[Path, dict[str, Any]], terraform: tuple[Path, dict[str, Any]]
) -> None:
    """The same package serves any account: the placeholder stands wherever one is named."""
    text = json.dumps(cloudformation[1])
    assert not re.search(r":\d{12}:", text)
    bare = re.findall(r'(?<!"Fn::Sub": )"[^"]*\$\{AWS::AccountId\}', text)
    assert bare == []
    assert "${data.aws_caller_identity.current.account_id}" in json.dumps(terraform[1])


def test_new_routes_are_a_new_deployment(
    cloudformation: tuple[Path, dict[str, Any]], artifact: Path, build_dir: Path, tmp_path: Path
) -> None:
    """API Gateway serves a snapshot: CloudFormation must make another where the document differs."""
    without_key = DeployOptions(artifact, build_dir=build_dir)
    other = written(without_key, "cloudformation", tmp_path)["service.json"]
    names = [
        next(name for name in document["Resources"] if name.startswith("Deployment"))
        for document in (cloudformation[1]["service.json"], other)
    ]
    assert names[0] != names[1]
    assert KEY_TYPES.isdisjoint(types_of(other))


def test_what_templates_name_is_there_to_be_uploaded(
    cloudformation: tuple[Path, dict[str, Any]],
) -> None:
    """Model and function are taken from keys under which the folder holds them."""
    out, templates = cloudformation
    resources = templates["service.json"]["Resources"]
    url = resources["Model"]["Properties"]["PrimaryContainer"]["ModelDataUrl"]["Fn::Sub"]
    key = resources["Function"]["Properties"]["Code"]["S3Key"]
    assert (out / "upload" / url.split("/", 3)[3]).is_file()
    assert (out / "upload" / key).is_file()
    assert (out / "page" / "index.html").is_file()


def test_script_is_shell_and_gives_the_page_its_address(
    cloudformation: tuple[Path, dict[str, Any]],
) -> None:
    """Both stacks, the files in between, and config.json, which asks for a key."""
    script = cloudformation[0] / "apply.sh"
    subprocess.run(["sh", "-n", script], check=True)
    text = script.read_text()
    steps = [
        text.index(word) for word in ("buckets.json", "sync upload", "service.json", "sync page")
    ]
    assert steps == sorted(steps)
    assert '{"apiUrl": "%s", "apiKey": "ask"}' in text
    assert "$account" in text
    assert "AWS::AccountId" not in text


def test_lambda_only_package_has_nothing_of_sagemaker(
    lambda_only: DeployOptions, tmp_path: Path
) -> None:
    """The function's memory and environment are the plan's."""
    template = written(lambda_only, "cloudformation", tmp_path)["service.json"]
    assert not any("SageMaker" in kind for kind in types_of(template))
    function = template["Resources"]["Function"]["Properties"]
    assert function["MemorySize"] == 1769
    assert function["Environment"]["Variables"]["MODEL_PROGRAM"] == "hosting.invocations"


def test_terraform_refers_only_to_what_it_makes(terraform: tuple[Path, dict[str, Any]]) -> None:
    """Every address in depends_on and in an interpolation is a resource of the same file."""
    document = terraform[1]
    made = {f"{kind}.{name}" for kind, each in document["resource"].items() for name in each}
    text = json.dumps(document)
    interpolated = set(re.findall(r"\$\{(aws_\w+\.\w+)", text))
    needed = {
        address
        for by_name in document["resource"].values()
        for arguments in by_name.values()
        for address in arguments.get("depends_on", ())
    }
    assert interpolated
    assert needed
    assert interpolated | needed <= made


def test_terraform_finds_its_files(terraform: tuple[Path, dict[str, Any]]) -> None:
    """Every source is a file of the package, with its digest as the sign of a change."""
    out, document = terraform
    sources = [
        each["source"].replace("${path.module}", str(out))
        for each in document["resource"]["aws_s3_object"].values()
        if "source" in each
    ]
    assert len(sources) > 5
    assert all(Path(source).is_file() for source in sources)


def test_both_templates_capture_the_same_requests(
    cloudformation: tuple[Path, dict[str, Any]], terraform: tuple[Path, dict[str, Any]]
) -> None:
    """In each's own words."""
    (stack,) = [t for t in cloudformation[1].values() if "EndpointConfig" in t.get("Resources", {})]
    properties = stack["Resources"]["EndpointConfig"]["Properties"]["DataCaptureConfig"]
    block = terraform[1]["resource"]["aws_sagemaker_endpoint_configuration"]["endpoint_config"]
    told = block["data_capture_config"]
    assert properties["InitialSamplingPercentage"] == told["initial_sampling_percentage"] == 20
    modes = [one["CaptureMode"] for one in properties["CaptureOptions"]]
    assert [one["capture_mode"] for one in told["capture_options"]] == modes == ["Input", "Output"]
    assert told["destination_s3_uri"].endswith("/captured")


def test_terraform_waits_for_the_model_in_its_bucket(
    terraform: tuple[Path, dict[str, Any]],
) -> None:
    """SageMaker reads the artifact while it makes the model."""
    resources = terraform[1]["resource"]
    (upload,) = [name for name in resources["aws_s3_object"] if name.startswith("upload_models")]
    assert f"aws_s3_object.{upload}" in resources["aws_sagemaker_model"]["model"]["depends_on"]


def test_another_folders_files_are_not_deleted(options: DeployOptions, tmp_path: Path) -> None:
    """A package replaces what a former one wrote, and refuses a folder with anything else."""
    write_package("shelf", "eu-central-1", options, "terraform", tmp_path)
    write_package("shelf", "eu-central-1", options, "terraform", tmp_path)
    (tmp_path / "diary.txt").touch()
    with pytest.raises(DeployError, match=r"holds diary\.txt"):
        write_package("shelf", "eu-central-1", options, "terraform", tmp_path)
    assert (tmp_path / "main.tf.json").is_file()
