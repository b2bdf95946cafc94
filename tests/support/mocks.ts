import assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

/** One resource as the program registered it. */
export interface Recorded {
    type: string;
    name: string;
    inputs: Record<string, any>;
    /** `type::name` of the parent; absent at the root. */
    parent?: string;
    /** Name of the explicit provider; absent where there is none. */
    provider?: string;
    /** Names of the resources that must exist before. */
    dependencies: string[];
}

export interface MockOptions {
    /** A preview, in which no output of a resource is known. Default: false. */
    preview?: boolean;
    /** Default: `test`. */
    stack?: string;
    /** The stack's configuration, keys without the project's name. Default: none. */
    config?: Record<string, string>;
}

const PROJECT = "distributed-patterns";

/** The part of a registration that mocks do not hand on. */
interface Registration {
    getParent(): string;
    getProvider(): string;
    getDependenciesList(): string[];
}

/** Installs mocks that record every resource and answer as an API server would. */
export async function recordResources({ preview = false, stack = "test", config = {} }: MockOptions = {}): Promise<
    Recorded[]
> {
    const recorded: Recorded[] = [];
    let registration: Registration;
    await pulumi.runtime.setMocks(
        {
            newResource: ({ type, name, inputs, custom }) => {
                const parent = registration.getParent();
                const provider = registration.getProvider();
                recorded.push({
                    type,
                    name,
                    inputs,
                    ...(parent && { parent: parent.split("::").slice(-2).join("::").replace(/^.*\$/, "") }),
                    ...(provider && { provider: provider.split("::").at(-2) }),
                    dependencies: registration.getDependenciesList().map((urn) => urn.split("::").at(-1)!),
                });
                if (preview && custom) return { id: undefined, state: {} };
                const metadata = { name: `${name}-0a1b2c`, ...inputs.metadata };
                return { id: `${metadata.namespace ?? "default"}/${metadata.name}`, state: { ...inputs, metadata } };
            },
            call: ({ inputs }) => inputs,
        },
        PROJECT,
        stack,
        preview,
    );
    pulumi.runtime.setAllConfig(
        Object.fromEntries(Object.entries(config).map(([key, value]) => [`${PROJECT}:${key}`, value])),
    );

    const monitor = pulumi.runtime.getMonitor() as unknown as {
        registerResource(request: Registration, callback: unknown): unknown;
    };
    const register = monitor.registerResource.bind(monitor);
    // The mock reads the request before its first await.
    monitor.registerResource = (request, callback) => {
        registration = request;
        return register(request, callback);
    };
    return recorded;
}

/** Waits until every resource that the program made so far is registered. */
export async function settled(): Promise<void> {
    // Exported, but left out of the SDK's declarations.
    await (pulumi.runtime as unknown as { waitForRPCs(): Promise<void> }).waitForRPCs();
}

/** The value of an output, for assertions; rejects where the output failed. */
export function valueOf<T>(output: pulumi.Input<T>): Promise<T> {
    return (pulumi.output(output) as unknown as { promise(withUnknowns?: boolean): Promise<T> }).promise();
}

/** An output that no preview knows. */
export function unknown<T>(): pulumi.Output<T> {
    return pulumi.output(pulumi.unknown) as unknown as pulumi.Output<T>;
}

/** Inputs of the one resource of a type, and of a name where there are more. */
export function only(recorded: Recorded[], type: string, name?: string): Record<string, any> {
    const found = recorded.filter((one) => one.type === type && (name === undefined || one.name === name));
    assert.equal(found.length, 1, `one ${type} among ${listOf(recorded).join(", ")}`);
    return found[0].inputs;
}

/** `type name` of each, in a stable order, `kubernetes:` left out. */
export function listOf(recorded: Recorded[]): string[] {
    return recorded.map(({ type, name }) => `${type.replace(/^kubernetes:/, "")} ${name}`).sort();
}

/** Fails unless every label of the selector stands among the labels. */
export function assertSelects(selector: Record<string, string>, labels: Record<string, string>): void {
    assert.ok(Object.keys(selector).length > 0, "an empty selector would select every pod");
    assert.deepEqual({ ...labels, ...selector }, labels, "the selector asks for labels the pods have");
}
