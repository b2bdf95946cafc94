import type { types } from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";

import { Container, PodSpec, Volume } from "./pod";
import { refuse, whenKnown } from "./validate";

/** What a pattern adds to a pod of someone else's. */
export interface PodAddition {
    /** Native sidecars in their order of start; they follow the pod's own init containers. */
    sidecars: Container[];
    volumes?: Volume[];
    /** Ports that the sidecars listen on, by the argument that sets each. */
    ports: Record<string, number>;
}

/** The part of a container that can collide with an addition. */
type Occupancy = pulumi.Unwrap<Pick<types.input.core.v1.Container, "name" | "ports">>;

/**
 * The pod with the addition. The given pod is left as it is.
 *
 * @param owner name of the adding function, for messages
 * @throws pulumi.RunError when the pod already has a container, volume or port of the addition;
 *     for a part of the pod that is an Output, that Output fails
 */
export function addToPod<P extends PodSpec>(owner: string, pod: P, { sidecars, volumes = [], ports }: PodAddition): P {
    const names = sidecars.map((sidecar) => sidecar.name);
    const volumeNames = volumes.map((volume) => volume.name);
    const portOwners = new Map(Object.entries(ports).map(([argument, port]) => [port, argument]));

    const checkContainer = (container: Occupancy) => {
        if (names.includes(container.name)) {
            refuse(owner, "podSpec", container.name, "a pod without a container of that name; a sidecar is added once");
        }
        for (const { containerPort } of container.ports ?? []) {
            const argument = portOwners.get(containerPort);
            if (argument)
                refuse(owner, argument, containerPort, `a port that container \`${container.name}\` does not use`);
        }
    };
    const checkVolume = ({ name }: { name: string }) => {
        if (volumeNames.includes(name)) refuse(owner, "podSpec", name, "a pod without a volume of that name");
    };
    const occupancy = ({ name, ports }: types.input.core.v1.Container) => ({ name, ports });

    return {
        ...pod,
        containers: checked(pod.containers, occupancy, checkContainer),
        initContainers: append(checked(pod.initContainers ?? [], occupancy, checkContainer), sidecars),
        ...(volumes.length > 0 && {
            volumes: append(
                checked(pod.volumes ?? [], ({ name }) => ({ name }), checkVolume),
                volumes,
            ),
        }),
    };
}

type List<T> = pulumi.Input<pulumi.Input<T>[]>;

/** The list, each of whose items fails when `check` refuses the part of it that `pick` names. */
function checked<T extends object, P>(
    list: List<T>,
    pick: (item: T) => P,
    check: (part: pulumi.Unwrap<P>) => void,
): List<T> {
    if (!Array.isArray(list)) {
        return pulumi.output(list).apply((items) => {
            for (const item of items) check(pick(item as T) as pulumi.Unwrap<P>);
            return items as T[];
        });
    }
    return list.map((item) => {
        const part =
            pulumi.Output.isInstance(item) || item instanceof Promise
                ? pulumi.output(item).apply(pick as never)
                : pick(item);
        const result = whenKnown(part as pulumi.Input<P>, check);
        return result === part ? item : pulumi.all([item, result]).apply(([value]) => value as T);
    });
}

function append<T>(list: List<T>, more: T[]): List<T> {
    return Array.isArray(list)
        ? [...list, ...more]
        : pulumi.output(list).apply((items) => [...(items as T[]), ...more]);
}
