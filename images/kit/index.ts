/** What every image needs, once: its declaration, its app, its life as a process. */
export { createApp } from "./app";
export type { ImageApp } from "./app";
export { compareDescriptions, versionProblems } from "./compatibility";
export { ConfigurationError, defineImage, defineJob, listenParameters, parseConfig } from "./declaration";
export type { Config, ConfigOf, ImageDeclaration, Parameters } from "./declaration";
export { describeImage, exposedPorts, ociLabels } from "./describe";
export type { ImageDescription } from "./describe";
export { exitCodes } from "./exitCodes";
export { runJob } from "./job";
export type { JobContext } from "./job";
export { createLogger } from "./logging";
export type { Logger } from "./logging";
export { boolean, duration, enumeration, integer, list, path, size, string } from "./parameters";
export type { Parameter, TextRule } from "./parameters";
export type { Readiness, ReadinessReport } from "./readiness";
export { startImage } from "./server";
export type { TraceContext } from "./trace";
