// The stack of the key ring in a CDK application. The template is included as it is; the function's code is the zip of a
// release. `template.yaml` and the zip lie beside this file, in the same version.
import { App, Stack, type StackProps } from 'aws-cdk-lib';
import { ManagedPolicy, type IManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { CfnFunction } from 'aws-cdk-lib/aws-sam';
import { CfnInclude } from 'aws-cdk-lib/cloudformation-include';
import type { Construct } from 'constructs';

export interface KeyRingProps extends StackProps {
  readonly template: string;
  readonly lambdaZip: string;
  /** Parameters of the template (docs/deploy-reference.md). */
  readonly parameters?: Readonly<Record<string, unknown>>;
}

export class KeyRing extends Stack {
  readonly secretArn: string;
  /** For the role of the application. */
  readonly readOnlyPolicy: IManagedPolicy;

  constructor(scope: Construct, id: string, { template, lambdaZip, parameters, ...props }: KeyRingProps) {
    super(scope, id, props);
    const included = new CfnInclude(this, 'Template', { templateFile: template, ...(parameters && { parameters }) });
    const zip = new Asset(this, 'Code', { path: lambdaZip });
    const rotation = included.getResource('KeyRotationFunction');
    if (!(rotation instanceof CfnFunction)) throw new Error('KeyRotationFunction is no AWS::Serverless::Function');
    rotation.codeUri = { bucket: zip.s3BucketName, key: zip.s3ObjectKey };
    const output = (name: string): string => String(included.getOutput(name).value);
    this.secretArn = output('SecretArn');
    this.readOnlyPolicy = ManagedPolicy.fromManagedPolicyArn(this, 'ReadOnly', output('ReadOnlyPolicyArn'));
  }
}

const app = new App();
new KeyRing(app, 'PazPazKeyRing', {
  template: 'template.yaml',
  lambdaZip: 'pazpaz-key-rotation.lambda.zip',
  parameters: { AlertEmail: 'ops@example.com', TaskRoleName: 'my-task' },
});
app.synth();
