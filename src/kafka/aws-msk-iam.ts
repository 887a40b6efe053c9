import type { KafkaProperties } from '../engine/index.ts';
import { wrongProperty } from './property-values.ts';
import type { Token } from './tokens.ts';

const MSK_BROKER = /\.kafka(?:-serverless)?\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?(?::\d+)?$/i;

/** The region to sign for: `aws.region`, else as the names of MSK's brokers say. Throws the real engine's words. */
export function awsRegion(properties: KafkaProperties, brokers: readonly string[]): string {
  const given = properties['aws.region'] ?? '';
  if (given !== '') return given;
  const region = brokers.map((broker) => MSK_BROKER.exec(broker.trim())?.[1]).find((found) => found !== undefined);
  if (region === undefined) {
    const text = `Cannot auto-detect AWS region from broker list '${brokers.join(',')}'`;
    throw wrongProperty(`${text}. Or set kafka_aws_region explicitly in table SETTINGS.`);
  }
  return region.toLowerCase();
}

/** A token for MSK's brokers, signed with the AWS credentials that the process finds: environment, profile, container, instance. Nothing is sent to be signed. */
export async function signMskToken(region: string): Promise<Token> {
  // Large, and most gateways never need it.
  const { generateAuthToken } = await import('aws-msk-iam-sasl-signer-js');
  try {
    const { token, expiryTime } = await generateAuthToken({ region });
    return { value: token, expiresAtMs: expiryTime };
  } catch (error) {
    throw wrongProperty(
      `AWS_MSK_IAM: no token can be signed for region ${region}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
