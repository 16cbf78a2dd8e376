# The stack of the key ring in a Terraform configuration. CloudFormation still makes it, because what protects the keys
# (retention, the order of its parts, the SAM transform) is written in template.yaml. The function's code is the zip of a
# release. template.yaml and the zip are of the same version.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  type        = string
  description = "Name of a private S3 bucket in the region of the stack, for the template and the code."
}

variable "template" {
  type        = string
  description = "Path of template.yaml."
  default     = "template.yaml"
}

variable "lambda_zip" {
  type        = string
  description = "Path of the release's zip for Lambda."
  default     = "pazpaz-key-rotation.lambda.zip"
}

variable "stack_name" {
  type        = string
  description = "Name of the CloudFormation stack."
  default     = "pazpaz-key-rotation"
}

variable "parameters" {
  type        = map(string)
  description = "Parameters of the template (docs/deploy-reference.md)."
  default     = {}
}

locals {
  source    = file(var.template)
  local_uri = "      CodeUri: .\n"
  packaged  = replace(local.source, local.local_uri, "      CodeUri: s3://${aws_s3_object.code.bucket}/${aws_s3_object.code.key}\n")
}

data "aws_s3_bucket" "release" {
  bucket = var.bucket
}

resource "aws_s3_object" "code" {
  bucket = data.aws_s3_bucket.release.id
  # A new name for new code: CloudFormation updates a function when its address changes.
  key    = "pazpaz-key-rotation/${filesha256(var.lambda_zip)}.zip"
  source = var.lambda_zip
}

# The template is longer than what CloudFormation takes in a request.
resource "aws_s3_object" "template" {
  bucket  = data.aws_s3_bucket.release.id
  key     = "pazpaz-key-rotation/${sha256(local.source)}-${filesha256(var.lambda_zip)}.yaml"
  content = local.packaged

  lifecycle {
    precondition {
      condition     = length(split(local.local_uri, local.source)) == 2
      error_message = "The template does not have its one line 'CodeUri: .'"
    }
  }
}

resource "aws_cloudformation_stack" "key_ring" {
  name         = var.stack_name
  template_url = "https://${data.aws_s3_bucket.release.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  parameters   = var.parameters
  capabilities = ["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]

  lifecycle {
    # The secret and its key outlive the stack, and what watches them does not.
    prevent_destroy = true
  }
}

output "secret_arn" {
  value = aws_cloudformation_stack.key_ring.outputs["SecretArn"]
}

output "read_only_policy_arn" {
  description = "For the role of the application."
  value       = aws_cloudformation_stack.key_ring.outputs["ReadOnlyPolicyArn"]
}
