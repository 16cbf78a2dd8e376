"""The job of infra/maintenance.yaml on AWS Batch as moto has it: an array of workers, each in a container of Docker's.

moto makes job definition, queue and array, and runs the image against the local Secrets Manager and a real PostgreSQL. It
knows no Fargate: roles, read-only root and retries are not applied (infra_test runs the image read-only).
"""

import json
import logging
import os
import time
import unittest
from pathlib import Path

from infra_test import COLUMNS, build_image, census_of, run
from moto_service import start_moto
from sam_local_test import docker_or_fail
from started import NAME, LocalService, work_folder
import stack_on_moto  # noqa: F401: with it, moto leaves AWS::NoValue out of lists

import boto3
from samtranslator.yaml_helper import yaml_parse

WORKERS = 3
IMAGE = "pazpaz-keys:batch-test"
KEPT = {"LogGroup", "JobDefinition", "JobRole", "ExecutionRole"}


class BatchTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        docker_or_fail()
        build_image()
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        # The workers reach both servers as this machine does.
        os.environ["MOTO_DOCKER_NETWORK_MODE"] = "host"
        cls.addClassCleanup(os.environ.pop, "MOTO_DOCKER_NETWORK_MODE")
        url = start_moto(cls)
        cls.client = staticmethod(lambda service: boto3.client(service, endpoint_url=url, region_name="us-east-1"))

    def job_definition(self, database):
        source = yaml_parse(Path("infra/maintenance.yaml").read_text())
        resources = {name: one for name, one in source["Resources"].items() if name in KEPT}
        body = {**source, "Resources": resources, "Outputs": {}}
        given = {
            "ImageUri": IMAGE,
            "SecretArn": NAME,
            "DatabaseUrl": database,
            "Retire": "propose",
            "Subnets": "subnet-1",
            "SecurityGroups": "sg-1",
        }
        source["Parameters"]["SecretArn"].pop("AllowedPattern")
        for name in ("Subnets", "SecurityGroups"):
            source["Parameters"][name]["Type"] = "CommaDelimitedList"
        self.client("cloudformation").create_stack(
            StackName="maintenance",
            TemplateBody=json.dumps(body),
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        listed = self.client("cloudformation").list_stack_resources(StackName="maintenance")["StackResourceSummaries"]
        return next(one["PhysicalResourceId"] for one in listed if one["LogicalResourceId"] == "JobDefinition")

    def queue(self):
        batch = self.client("batch")
        trust = json.dumps({"Version": "2012-10-17", "Statement": []})
        role = self.client("iam").create_role(RoleName="batch", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        made = batch.create_compute_environment(
            computeEnvironmentName="maintenance", type="UNMANAGED", state="ENABLED", serviceRole=role
        )
        order = [{"order": 1, "computeEnvironment": made["computeEnvironmentArn"]}]
        return batch.create_job_queue(
            jobQueueName="maintenance", state="ENABLED", priority=1, computeEnvironmentOrder=order
        )["jobQueueArn"]

    def ended(self, job, limit=300):
        """Every worker of an array, once it has ended."""
        batch = self.client("batch")
        names = [f"{job}:{index}" for index in range(WORKERS)]
        until = time.monotonic() + limit
        while time.monotonic() < until:
            workers = batch.describe_jobs(jobs=names)["jobs"]
            if all(worker["status"] in ("SUCCEEDED", "FAILED") for worker in workers):
                return workers
            time.sleep(0.5)
        self.fail(f"the workers have not ended: {[worker['status'] for worker in workers]}")

    def test_an_array_of_workers_brings_every_row_to_the_current_key(self):
        service = LocalService("--with-postgres")
        self.addCleanup(service.stop)
        database = service.wait_for(r"DATABASE_URL=(\S+)")[1]
        columns = work_folder() / "columns.json"
        columns.write_text(json.dumps(COLUMNS))
        columns.chmod(0o644)
        # As docs/maintenance.md says: an image of one's own, here without a certificate authority.
        (work_folder() / "Dockerfile").write_text("FROM pazpaz-keys:test\nCOPY columns.json /app/columns.json\n")
        built = run("docker", "build", "--quiet", "--tag", IMAGE, work_folder())
        self.assertEqual(built.returncode, 0, built.stderr)
        environment = {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": service.url,
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
        }
        job = self.client("batch").submit_job(
            jobName=f"pazpaz-maintain-{os.getpid()}",
            jobQueue=self.queue(),
            jobDefinition=self.job_definition(database),
            arrayProperties={"size": WORKERS},
            containerOverrides={"environment": [{"name": name, "value": value} for name, value in environment.items()]},
        )["jobId"]
        workers = self.ended(job)
        said = {worker["jobId"]: self.log_of(worker) for worker in workers}
        self.assertEqual({worker["status"] for worker in workers}, {"SUCCEEDED"}, said)
        for lines in said.values():
            self.assertIn('"currentNumber": 2', lines)
        census = census_of(service, database, columns)
        self.assertEqual((census["rows"], census["numbered"]), (300, {"2": 300}))

    def log_of(self, worker):
        logs = self.client("logs")
        stream = worker["container"].get("logStreamName")
        if stream is None:
            return ""
        events = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]
        return "\n".join(event["message"] for event in events)


if __name__ == "__main__":
    unittest.main()
