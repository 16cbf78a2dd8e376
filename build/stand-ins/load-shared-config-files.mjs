// The SDK asks ~/.aws/config and ~/.aws/credentials for every setting that no environment variable makes, and reads
// both files at each cold start. A function has neither file: Lambda configures it by environment variables, which
// come first anyway. Without the files every setting has the default that it would have had.
export { CONFIG_PREFIX_SEPARATOR } from './constants';
export const loadSharedConfigFiles = async () => ({ configFile: {}, credentialsFile: {} });
