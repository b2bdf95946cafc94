import { LabelSelector } from "./objects";

/** Whether labels meet every requirement of a selector; the empty selector is met by all. */
export function matches(selector: LabelSelector, labels: Record<string, string> = {}): boolean {
    return (
        Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
        (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
            switch (operator) {
                case "In":
                    return values.includes(labels[key]);
                case "NotIn":
                    return !values.includes(labels[key]);
                case "Exists":
                    return Object.hasOwn(labels, key);
                case "DoesNotExist":
                    return !Object.hasOwn(labels, key);
            }
        })
    );
}
