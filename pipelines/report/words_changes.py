"""Words of the report on what changed since the day before; as (English, Chinese).

Belongs here: headings, sentences, labels of that part. Must not be here: the rest (see ``words``).
"""

CHANGES = {
    "changes": ("What changed since the day before", "与前一天相比的变化"),
    "empty_trust_changes": (
        "Nobody's trust moved by more than the noise since the day before.",
        "与前一天相比，没有客户的信任变动超过噪声。",
    ),
    "changes_text": (
        "Customers whose trust moved by {limit} points or more since {day}: {up} up, {down} down.",
        "自 {day} 以来信任变动不少于 {limit} 分的客户：上升 {up} 名，下降 {down} 名。",
    ),
    "changes_how": (
        "The parts of a customer's change add up to it exactly. A single night tells of few customers: look for what"
        " comes back night after night.",
        "同一客户各部分之和恰好等于其变动。一夜只涉及少数客户：应关注反复出现的原因。",
    ),
    "changes_noise": (
        "Scores of customers of whom nothing new became known moved too, by up to {limit} points, most often because"
        " the trust model was refitted. Only larger changes are told here; usually it is {least} points.",
        "没有任何新信息的客户评分也有变动，最多达 {limit} 分，多因信任模型重新拟合。此处只列更大的变动；"
        "平时的界限为 {least} 分。",
    ),
    "changes_caption": (
        "What moved the trust of these customers, and by how many points; the weightiest first",
        "使这些客户信任变动的原因（影响大者在前）",
    ),
    "moved_by": ("What moved trust", "变动原因"),
    "raised": ("Raised (n)", "上升的客户（n）"),
    "raised_mean": ("by, on average", "平均上升（分）"),
    "lowered": ("Lowered (n)", "下降的客户（n）"),
    "lowered_mean": ("by, on average", "平均下降（分）"),
}
