"""Rotations in Lambda's own container: step by step (`sam local invoke`, C39) and whole ones (`sam local start-lambda`)."""

import atexit
import json
import os
import socket
import subprocess
import unittest

from aws_cli_test import AwsCli
from started import (
    GUIDE_KEY,
    LAMBDA_ARN,
    NAME,
    REPOSITORY,
    TOOLS,
    LocalService,
    Started,
    built,
    clean_environment,
    sam_built,
    work_folder,
)

IMAGE = "public.ecr.aws/lambda/nodejs:24-x86_64"
STEPS = ["create-secret", "set-secret", "test-secret", "finish-secret"]
NO_ENGINE = (
    "`sam local` needs a Docker engine, and none answers to `docker info`. Install one (on Debian and Ubuntu the "
    "package docker.io, elsewhere Docker Desktop) and start it, or set SKIP_SAM_LOCAL=1 to go without these tests."
)
NO_IMAGE = f"`sam local` needs the image {IMAGE}, which is not there and cannot be pulled:\n"


def succeeds(*command):
    return subprocess.run(command, capture_output=True).returncode == 0


def docker_or_fail():
    if os.environ.get("SKIP_SAM_LOCAL") == "1":
        raise unittest.SkipTest("SKIP_SAM_LOCAL=1 is set: nothing was run in Lambda's container")
    try:
        has_engine = succeeds("docker", "info")
    except FileNotFoundError:
        has_engine = False
    if not has_engine:
        raise AssertionError(NO_ENGINE)
    if not succeeds("docker", "image", "inspect", IMAGE):
        pulled = subprocess.run(["docker", "pull", IMAGE], capture_output=True, text=True)
        if pulled.returncode != 0:
            raise AssertionError(NO_IMAGE + pulled.stderr)
    # Before anything is started, so that it comes after everything was stopped.
    work_folder()
    atexit.register(remove_containers)


def sam_environment():
    """Of someone without AWS credentials."""
    environment = clean_environment()
    del environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    return environment


def containers():
    """Those that run what `sam build` made for this run."""
    mounted = f"volume={work_folder() / 'sam/KeyRotationFunction'}"
    listed = subprocess.run(["docker", "ps", "-aq", "--filter", mounted], capture_output=True, text=True, check=True)
    return listed.stdout.split()


def remove_containers():
    """The SAM CLI leaves one behind when it is stopped in the middle of an invocation."""
    if left := containers():
        subprocess.run(["docker", "rm", "--force", *left], capture_output=True)


def invoke(event, env_vars):
    """`sam local invoke`: what the function answered and what it logged."""
    done = subprocess.run(
        [
            *(TOOLS / "sam", "local", "invoke", "--template", sam_built() / "template.yaml", "--skip-pull-image"),
            *("--event", event, "--env-vars", env_vars),
        ],
        cwd=REPOSITORY,
        env=sam_environment(),
        capture_output=True,
        text=True,
    )
    said = done.stdout.strip().splitlines()
    if not said:
        raise AssertionError(f"sam local invoke {event}: {done.stderr}")
    return json.loads(said[-1]), done.stderr


class Application:
    """A process with the built library for each call, as after a restart: nothing is remembered."""

    def __init__(self, url):
        self.environment = clean_environment(
            AWS_ENDPOINT_URL_SECRETS_MANAGER=url,
            ENVIRONMENT="local",
            SECRETS_MANAGER_KEY_NAME=NAME,
            NODE_NO_WARNINGS="1",
        )

    def _run(self, *arguments):
        command = ["node", REPOSITORY / "test/aws/ring.mjs", built() / "library.mjs", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout.removesuffix("\n")

    def encrypt(self, text, context):
        return self._run("encrypt", text, context)

    def decrypt(self, row, context):
        return self._run("decrypt", row, context)


def labels(aws):
    described = aws("describe-secret", "--secret-id", NAME)
    return {version: set(labels) for version, labels in described["VersionIdsToStages"].items()}


class SamLocalInvokeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        docker_or_fail()

    def setUp(self):
        self.events = work_folder() / "events"
        self.env_vars = self.events / "env.json"
        self.begin()

    def begin(self):
        self.service = LocalService("--mid-rotation", self.events)
        self.addCleanup(self.service.stop)
        self.service.wait_for(r"invoke -e \S+finish-secret\.json")
        self.aws = AwsCli(self.service.url)

    def invoke(self, step):
        return invoke(self.events / f"{step}.json", self.env_vars)

    def test_the_four_steps_in_order_are_a_rotation(self):
        (first, second), application = labels(self.aws), Application(self.service.url)
        self.assertEqual(labels(self.aws), {first: {"AWSCURRENT"}, second: {"AWSPENDING"}})
        row = application.encrypt("Patient has diabetes", "patients:1:note")
        for step in STEPS:
            answer, log = self.invoke(step)
            self.assertIsNone(answer, log)
            self.assertIn('"event":"rotation_step_finished"', log)
        self.service.wait_for(f"Rotated: {second} is AWSCURRENT")
        self.service.idle()
        self.assertEqual(labels(self.aws), {first: {"AWSPREVIOUS", "key-v1"}, second: {"AWSCURRENT", "key-v2"}})
        self.assertEqual(application.decrypt(row, "patients:1:note"), "Patient has diabetes")
        self.assertEqual(containers(), [])

    def test_the_next_rotation_gets_events_of_its_own(self):
        said = len(self.service.said)
        self.aws("cancel-rotate-secret", "--secret-id", NAME)
        self.aws("put-secret-value", "--secret-id", NAME, "--secret-string", GUIDE_KEY)
        self.service.idle()
        pending = self.aws("rotate-secret", "--secret-id", NAME)["VersionId"]
        self.service.wait_for(r"invoke -e \S+finish-secret\.json", after=said)
        self.assertEqual(json.loads((self.events / "create-secret.json").read_text())["ClientRequestToken"], pending)

    def test_a_stale_event_names_the_stale_token_and_the_command_and_changes_nothing(self):
        stale = work_folder() / "stale.json"
        (self.events / "create-secret.json").rename(stale)
        token = json.loads(stale.read_text())["ClientRequestToken"]
        self.service.stop()
        self.begin()
        before = labels(self.aws)
        answer, log = invoke(stale, self.env_vars)
        self.assertEqual(answer["errorType"], "KeyRotationError")
        self.assertIn(token, answer["errorMessage"])
        self.assertIn("npm run local -- --mid-rotation", answer["errorMessage"])
        self.assertIn('"code":"UNKNOWN_TOKEN"', log)
        self.assertEqual(labels(self.aws), before)

    def test_the_daily_tick_numbers_the_current_key(self):
        first, second = labels(self.aws)
        answer, log = invoke(REPOSITORY / "events/daily-tick.json", self.env_vars)
        self.assertIsNone(answer, log)
        self.assertIn('"event":"key_ring_state"', log)
        self.assertEqual(labels(self.aws), {first: {"AWSCURRENT", "key-v1"}, second: {"AWSPENDING"}})


class StartLambdaTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        docker_or_fail()

    def setUp(self):
        with socket.socket() as any_port:
            any_port.bind(("127.0.0.1", 0))
            port = str(any_port.getsockname()[1])
        env_vars = work_folder() / "env.json"
        endpoint = f"http://127.0.0.1:{port}"
        self.service = LocalService("--lambda-endpoint", endpoint, "--notices", "--env-vars", env_vars)
        self.addCleanup(self.service.stop)
        template = ("--template", sam_built() / "template.yaml")
        command = (TOOLS / "sam", "local", "start-lambda", *template, "--port", port, "--env-vars", env_vars)
        self.sam = Started([*command, "--skip-pull-image"], **{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
        self.addCleanup(self.sam.stop)
        self.sam.wait_for(rf"Running on http://127\.0\.0\.1:{port}")
        self.aws = AwsCli(self.service.url)

    def test_ten_rotations_keep_the_first_ciphertext_readable(self):
        application = Application(self.service.url)
        first = self.aws("create-secret", "--name", NAME, "--secret-string", GUIDE_KEY)["VersionId"]
        rows = [application.encrypt("Patient has diabetes", "patients:0:note")]
        for count in range(1, 11):
            lambda_arn, rules = (
                ("--rotation-lambda-arn", LAMBDA_ARN),
                ("--rotation-rules", "AutomaticallyAfterDays=365"),
            )
            current = self.aws("rotate-secret", "--secret-id", NAME, *lambda_arn, *rules)["VersionId"]
            self.service.idle()
            self.assertEqual(labels(self.aws)[current], {"AWSCURRENT", f"key-v{count + 1}"}, self.service.said)
            rows.append(application.encrypt(f"row {count}", f"patients:{count}:note"))

        self.assertEqual(labels(self.aws)[first], {"key-v1"})
        self.assertEqual(application.decrypt(rows[0], "patients:0:note"), "Patient has diabetes")
        for count in range(1, 11):
            self.assertEqual(application.decrypt(rows[count], f"patients:{count}:note"), f"row {count}")
        for rotation in self.service.control("GET", "rotations")["rotations"]:
            self.assertEqual(rotation["outcome"], "succeeded")
            self.assertEqual([len(attempt["steps"]) for attempt in rotation["attempts"]], [4])
        # Its own changes are no changes by hand: each step was one container. One more for each rotation is the dry run
        # of RotateSecret, which this version of the SAM CLI runs like any invocation; the function refuses it.
        self.assertEqual(self.sam.said.count("SAM_CONTAINER_ID"), 50)

        said = len(self.sam.said)
        by_hand = self.aws("put-secret-value", "--secret-id", NAME, "--secret-string", GUIDE_KEY)["VersionId"]
        # `sam local start-lambda` answers an asynchronous invocation before the function has ended.
        self.sam.wait_for(r'"event":"key_ring_state"', after=said)
        self.assertEqual(labels(self.aws)[by_hand], {"AWSCURRENT", "key-v12"})
        self.sam.stop()
        self.assertEqual(containers(), [])
