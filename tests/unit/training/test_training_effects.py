"""Hyperparameters that have an effect only beside others: warned of, or refused."""

import json

import pytest

from contracts import TrainingError
from training.effects import AMONG_SETTINGS, IN_A_JOB, Situation, check_effects
from training.environment import Environment
from training.hyperparameters import Hyperparameters
from training.job import train
from training.settings import rules


def told(caplog, **given):
    """What is warned of while settings are read."""
    caplog.clear()
    Hyperparameters.parse({name: str(value) for name, value in given.items()})
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


BUILTIN = [
    ({"momentum": 0.8}, {"optimizer": "adam"}),
    ({"beta_1": 0.8}, {}),
    ({"beta_2": 0.8}, {"optimizer": "rmsprop"}),
    ({"eps": 1e-7}, {"optimizer": "nag"}),
    ({"gamma": 0.8}, {"optimizer": "adam"}),
    ({"lr_scheduler_step": "3,6"}, {"lr_schedule": "cosine"}),
    ({"lr_scheduler_step": "30,60"}, {}),
    ({"lr_scheduler_factor": 0.5}, {}),
    ({"early_stopping_min_epochs": 3}, {}),
    ({"early_stopping_patience": 5}, {"early_stopping": "False"}),
    ({"early_stopping_tolerance": 0.1}, {}),
    ({"early_stopping": "True"}, {"epochs": 10}),
    ({"use_weighted_loss": 1}, {"multi_label": 0}),
    ({"top_k": 3}, {"multi_label": 1}),
    ({"num_layers": 18}, {"network": "resnet34"}),
]


@pytest.mark.parametrize(("vain", "others"), BUILTIN)
def test_a_setting_of_the_built_in_algorithm_without_effect_is_warned_of(vain, others, caplog):
    """By its name; a job that was written for the algorithm runs all the same."""
    ((name, _),) = vain.items()
    (line,) = told(caplog, **vain, **others)
    assert line.startswith(f"hyperparameter {name}=")
    assert " has no effect " in line


@pytest.mark.parametrize(
    "given",
    [
        {"optimizer": "nag", "momentum": 0.8},
        {"optimizer": "adam", "beta_1": 0.8, "eps": 1e-7},
        {"optimizer": "rmsprop", "gamma": 0.8, "eps": 1e-7},
        {"lr_scheduler_step": "3,60", "lr_scheduler_factor": 0.5},
        {"lr_schedule": "plateau", "lr_scheduler_factor": 0.5, "lr_patience": 3},
        {"early_stopping": "True", "early_stopping_min_epochs": 3, "early_stopping_patience": 2},
        {"use_weighted_loss": 1, "multi_label": 1},
        {"top_k": 3},
        {"top_k": 0, "use_weighted_loss": 0, "multi_label": 0, "early_stopping_tolerance": 0.0},
        {"lr_schedule": "cyclical_exponential", "lr_decay": 0.1, "lr_cycle_epochs": 3},
        {"loss": "focal", "focal_gamma": 1},
        {"_tuning_objective_metric": "validation:accuracy"},
    ],
)
def test_a_setting_with_effect_is_not(given, caplog):
    """Nor is one that is left out by its value."""
    assert told(caplog, **given) == []


OWN = [
    ({"lr_decay": 0.1}, {"lr_schedule": "constant"}),
    ({"lr_decay": 0.05}, {"lr_scheduler_step": "3"}),
    ({"lr_min": 0.01}, {}),
    ({"lr_power": 3}, {"lr_schedule": "cosine"}),
    ({"lr_cycle_epochs": 4}, {"lr_schedule": "cosine"}),
    ({"lr_patience": 3}, {}),
    ({"class_weights": "balanced"}, {"multi_label": 1}),
    ({"focal_gamma": 1}, {}),
    ({"head_rule": "means"}, {}),
    ({"mirror": 1}, {"augmentation_type": "crop"}),
    ({"pretrained": "efficientnet-lite0"}, {"use_pretrained_model": 0}),
    ({"body_lr_factor": 0.1}, {"freeze_epochs": 30, "pretrained": "efficientnet-lite0"}),
    ({"wanted_precision": 0.9}, {"threshold": 0.5}),
]


@pytest.mark.parametrize(("vain", "others"), OWN)
def test_a_setting_of_our_own_without_effect_is_refused(vain, others):
    """No job carries it by habit: whoever wrote it expects something of it."""
    ((name, _),) = vain.items()
    strings = {key: str(value) for key, value in (vain | others).items()}
    with pytest.raises(TrainingError, match=rf"hyperparameter {name}=.* has no effect ") as caught:
        Hyperparameters.parse(strings)
    assert name in caught.value.hint


IN_VAIN = [
    ({"frozen_layers": "1"}, Situation()),
    ({"head_start": "1"}, Situation()),
    ({"pretrained": "efficientnet-lite0"}, Situation(goes_on=True)),
    ({"network": "resnet18"}, Situation(keeps_network=True)),
    ({"head": "conv"}, Situation(keeps_network=True)),
    ({"dropout": "0.2"}, Situation(keeps_network=True)),
    ({"stem_pooling": "2"}, Situation(keeps_network=True)),
    ({"wanted_precision": "0.9"}, Situation(validates=False)),
    ({"lr_schedule": "plateau"}, Situation(validates=False)),
]


@pytest.mark.parametrize(("strings", "situation"), IN_VAIN)
def test_a_setting_that_the_job_has_no_use_for_is_refused(strings, situation):
    """Without weights, with a network of the weights' own, without validation photos."""
    settings = Hyperparameters.parse(strings)
    (name,) = strings
    with pytest.raises(TrainingError, match=rf"hyperparameter {name}=.* has no effect "):
        check_effects(settings, strings, situation)


def test_names_of_the_built_in_algorithm_are_only_warned_of_in_a_job(caplog):
    """A notebook gives kv_store on one host, and num_layers where a model channel goes on."""
    strings = {"kv_store": "dist_sync", "num_layers": "18", "use_pretrained_model": "1"}
    settings = Hyperparameters.parse(strings)
    check_effects(settings, strings, Situation(goes_on=True, keeps_network=True))
    found = {line.partition("=")[0] for line in caplog.text.split("hyperparameter ")[1:]}
    assert found == strings.keys()


def test_settings_that_the_job_uses_pass(caplog):
    """Weights to hold, several hosts, validation photos."""
    strings = {"frozen_layers": "3", "kv_store": "dist_sync", "lr_schedule": "plateau"}
    settings = Hyperparameters.parse(strings)
    check_effects(settings, strings, Situation(goes_on=True, hosts=2))
    assert caplog.text == ""


def test_every_condition_is_of_settings_that_exist_and_all_of_them_are_tried():
    """A misspelt name would never be looked up."""
    names = {name for table in (AMONG_SETTINGS, IN_A_JOB) for one in table for name in one.names}
    assert names <= rules(Hyperparameters).keys()
    tried = {name for vain, _ in BUILTIN + OWN for name in vain}
    assert {name for one in AMONG_SETTINGS for name in one.names} == tried


def test_a_job_refuses_a_setting_in_vain_before_it_reads_photos(make_job, settings_of, tmp_path):
    """Preparing them may take an hour."""
    job = make_job(tmp_path, "train")
    (job.folder / "input/data/train/train.rec").write_bytes(b"not read")
    strings = {key: str(value) for key, value in settings_of(wanted_precision=0.9).items()}
    (job.folder / "input/config/hyperparameters.json").write_text(json.dumps(strings))
    with pytest.raises(TrainingError, match=r"wanted_precision=0\.9 has no effect without valid"):
        train(Environment(job.folder, "", 1), lambda: False)
