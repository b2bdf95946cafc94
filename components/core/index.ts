export type { DisruptionBudgetArgs, SpreadArgs } from "./availability";
export { imageFromCatalog } from "./catalog";
export type { CatalogImage } from "./catalog";
export type { NetworkPolicyArgs } from "./networkPolicy";
export { nativeSidecar, restrictedPod } from "./pod";
export type { ResourceArgs } from "./resources";
export { ServiceImage } from "./serviceImage";
export type { ServiceImageArgs } from "./serviceImage";
