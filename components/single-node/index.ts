export type { HttpsProxyArgs } from "./httpsProxy";
export { HttpsSidecar } from "./httpsSidecar";
export type { HttpsSidecarArgs, HttpsTlsArgs } from "./httpsSidecar";
export { addHttpsSidecar } from "./httpsSidecarPod";
export type { AddHttpsSidecarArgs } from "./httpsSidecarPod";
export { addTopzSidecar, TopzSidecar } from "./topz";
export type { AddTopzSidecarArgs, TopzSidecarArgs } from "./topz";
