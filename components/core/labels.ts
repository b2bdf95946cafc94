import { refuse, requireDnsLabel } from "./validate";

/** The recommended Kubernetes labels that every object of one component instance carries. */
export interface ComponentLabels {
    /** All labels, for metadata. */
    readonly all: Record<string, string>;
    /** The part that never changes over the life of an instance, for selectors. */
    readonly selector: Record<string, string>;
}

const PREFIX = "app.kubernetes.io/";

/**
 * Labels of one instance of a pattern.
 *
 * @param pattern kebab-case name of the pattern, such as `https-sidecar`
 * @param instance logical name of the component, a DNS label
 * @param extra labels of the user, which must leave `app.kubernetes.io/` alone
 */
export function labelsFor(pattern: string, instance: string, extra: Record<string, string> = {}): ComponentLabels {
    requireDnsLabel(instance, "name", instance);
    for (const key of Object.keys(extra)) {
        if (key.startsWith(PREFIX))
            refuse(instance, "labels", key, `labels outside ${PREFIX}, which the component sets itself`);
    }
    const selector = { [`${PREFIX}name`]: pattern, [`${PREFIX}instance`]: instance };
    const all = {
        ...extra,
        ...selector,
        [`${PREFIX}part-of`]: "distributed-patterns",
        [`${PREFIX}managed-by`]: "pulumi",
    };
    return { selector, all };
}
