import type { Target } from "../../tools/cluster/target";
import { run } from "../../tools/lib/process";
import { testEnvironment } from "./testCluster";

/**
 * kubectl on the test cluster; returns what it prints.
 *
 * @param input text for standard input, or an object that is handed in as JSON
 */
export async function kubectl(args: string[], input?: string | object): Promise<string> {
    const { target } = testEnvironment();
    const text = typeof input === "object" ? JSON.stringify(input) : input;
    return (await run(target.kubectl, [...kubectlFlags(target), ...args], { input: text, timeout: 180_000 })).stdout;
}

/** Flags that lead kubectl to a cluster. */
export function kubectlFlags({ kubeconfig, context }: Pick<Target, "kubeconfig" | "context">): string[] {
    return [...(kubeconfig ? [`--kubeconfig=${kubeconfig}`] : []), `--context=${context}`];
}
