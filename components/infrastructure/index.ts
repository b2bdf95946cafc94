export { Certificate } from "./certificate";
export type { CertificateArgs, CertificateIssuerArgs } from "./certificate";
