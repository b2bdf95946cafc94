import type { types } from "@pulumi/kubernetes";

type Probe = types.input.core.v1.Probe;
type Action = Pick<Probe, "httpGet" | "exec">;

/** Asks a container over HTTP. */
export function httpGet(path: string, port: number): Action {
    return { httpGet: { path, port } };
}

/** Runs a command inside the container, for a process that listens on localhost only. */
export function exec(command: string[]): Action {
    return { exec: { command } };
}

/** Restarts a container that cannot recover by itself; slow to act, because a restart drops requests. */
export function liveness(action: Action): Probe {
    // A command starts a process each time, so it is asked less often and may take longer.
    return action.exec
        ? { ...action, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 3 }
        : { ...action, periodSeconds: 10, timeoutSeconds: 2, failureThreshold: 3 };
}

/** Takes a pod out of its Services; quick to act, because it comes back as quickly. */
export function readiness(action: Action): Probe {
    return { ...action, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 };
}

/** Holds back the containers after a sidecar until it works, for up to two minutes. */
export function startup(action: Action): Probe {
    return { ...action, periodSeconds: 1, timeoutSeconds: 2, failureThreshold: 120 };
}
