export * from "./core";
export * from "./infrastructure";
export * from "./single-node";
