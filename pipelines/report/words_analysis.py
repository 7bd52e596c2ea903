"""More words of the report: groups, losses, complaints, churn, measures, appendix; as (English, Chinese).

Belongs here: headings, sentences, labels of these parts. Must not be here: the frame and the summary (see ``words``).
"""

from pipelines.report.words_changes import CHANGES

GROUPS = {
    "groups": ("Differences between groups", "群体差异"),
    "no_groups": (
        "Not known: no segment, region, class or channel is recorded of the customers.",
        "未知：没有记录客户的客群、地区、等级或渠道。",
    ),
    "groups_how": (
        "Only where two intervals do not overlap do groups clearly differ. Among many groups some always lie low by"
        " chance.",
        "只有两个区间不重叠时，群体才有明确差异；群体较多时，总有一些因偶然而偏低。",
    ),
    "groups_text": (
        "Lowest is {low_by}: {low} with {low_mean}, highest {high_by}: {high} with {high_mean}; all customers have"
        " {all}.",
        "最低为{low_by} {low}：{low_mean}；最高为{high_by} {high}：{high_mean}；全体为 {all}。",
    ),
    "groups_withheld": (
        "Groups withheld because fewer than {minimum} customers, or too few with evidence, are in them: {groups}.",
        "因客户（或有证据客户）少于 {minimum} 名而不显示的群体：{groups} 个。",
    ),
    "groups_chart": (
        "Mean trust by group with its 90% interval; the dashed line is the mean of all",
        "各群体平均信任及其 90% 区间；虚线为全体平均",
    ),
    "groups_caption": ("Groups of customers, up to {most} of a kind", "客户群体（每类最多 {most} 个）"),
    "group_by": ("Grouped by", "分组依据"),
    "group": ("Group", "群体"),
    "products": ("Products", "商品"),
    "no_categories": (
        "Not known: no product category has enough experiences to be compared.",
        "未知：没有任何商品类别有足够的体验可供比较。",
    ),
    "products_text": (
        "{stream}: went badly most often in the category {category}, {share} (90% interval {interval}, n = {n});"
        " overall {all}.",
        "{stream}：不良比例最高的类别为 {category}，{share}（90% 区间 {interval}，n = {n}）；总体 {all}。",
    ),
    "products_chart": (
        "Share that went badly by product category, with its 90% interval; the dashed line is the whole",
        "各商品类别的不良比例及其 90% 区间；虚线为总体",
    ),
    "products_caption": ("{stream}: share that went badly, by product category", "{stream}：各商品类别的不良比例"),
    "category": ("Category", "类别"),
    "failure_share": ("Share that went badly", "不良比例"),
    "again_caption": (
        "Orders followed by another purchase of any kind within 90 days, the lowest share first",
        "90 天内有再次购买（任何类别）的订单比例，由低到高",
    ),
    "again_90d": ("Bought again within 90 days", "90 天内再次购买"),
    "orders_judged": ("Orders old enough (n)", "可判断订单数（n）"),
}

LOSSES = {
    "losses": ("Where trust is lost", "信任在何处失去"),
    "losses_withheld": (
        "Withheld: there are too few experiences of any kind.",
        "不显示：任何一类体验的数量都过少。",
    ),
    "losses_none": (
        "No kind of experience that goes with trust has failures on record.",
        "没有任何与信任相关的体验有失误记录。",
    ),
    "losses_text": (
        "Failures and their weight taken together, most trust is lost here: {stream}. {share} went badly (90% interval"
        " {interval}, n = {n}).",
        "综合失误次数与权重，失去信任最多的环节为：{stream}。不良比例 {share}（90% 区间 {interval}，n = {n}）。",
    ),
    "losses_how": (
        "The order is by failures times weight: a frequent failure that hardly goes with trust costs less than a rarer"
        " one that goes with it closely. Whether customers came back is a consequence of trust, not its cause.",
        "按失误次数乘以权重排序：频繁但与信任关联弱的失误，代价小于较少但关联紧密的失误。"
        "是否再次购买是信任的结果，而非原因。",
    ),
    "losses_chart": (
        "Share of experiences that went badly, with its 90% interval, the costliest first",
        "各类体验的不良比例及其 90% 区间（代价最高者在前）",
    ),
    "losses_caption": ("Kinds of experience", "体验类型"),
    "experience": ("Experience", "体验"),
    "experiences_n": ("Cases (n)", "次数（n）"),
    "failures": ("Went badly", "不良次数"),
    "weight": ("Weight in trust", "在信任中的权重"),
    "experiences": ("Experiences", "体验"),
    "consequences": ("What customers did next", "客户随后的行为"),
}

COMPLAINTS = {
    "complaints": ("Complaints", "投诉"),
    "complaints_short": (
        "Not known: no month with enough orders to count complaints against is over yet.",
        "未知：尚无订单数足以衡量投诉率的完整月份。",
    ),
    "complaints_text": (
        "In {month} there were {rate} complaints for each 100 orders ({n} complaints, {orders} orders). The most were"
        " in {most_month}: {most} for each 100 ({most_orders} orders).",
        "{month} 每 100 单有 {rate} 件投诉（{n} 件投诉，{orders} 单）。最多的是 {most_month}：每 100"
        " 单 {most} 件（{most_orders} 单）。",
    ),
    "complaints_chart": ("Complaints for each 100 orders, by month", "每 100 单投诉数（按月）"),
    "complaints_caption": (
        "Complaints by month, the newest first; in the chart, months with at least {minimum} orders",
        "按月投诉（由新到旧）；图中为订单数不少于 {minimum} 的月份",
    ),
    "per_100": ("For each 100 orders", "每 100 单投诉数"),
    "orders": ("Orders old enough (n)", "可判断订单数（n）"),
    "answer_hours": ("Hours to the answer (median)", "答复用时（小时，中位数）"),
    "resolution_days": ("Days to the resolution (median)", "办结用时（天，中位数）"),
    "reopened": ("Opened again", "重新打开"),
    "of_what_caption": (
        "What the complaints of the last 12 complete months are about; fewer than {minimum} are not shown",
        "最近 12 个完整月份的投诉内容；少于 {minimum} 件的不显示",
    ),
    "complained_of": ("About", "投诉内容"),
    "handled_caption": ("How complaints were handled, all months together", "投诉处理情况（所有月份合计）"),
    "handling": ("Handling", "处理"),
    "n_complaints": ("Complaints (n)", "投诉数（n）"),
    "answered_in_time": ("Answered in time", "及时答复"),
    "resolved_in_time": ("Resolved in time", "及时办结"),
    "back_after_resolved": (
        "Ordered again within 90 days after a resolution in time",
        "及时办结后 90 天内再次下单",
    ),
    "back_after_unresolved": (
        "Ordered again within 90 days without a resolution in time",
        "未及时办结，90 天内再次下单",
    ),
    "handled_how": (
        "That more customers come back after a resolution is no proof that the resolution made them.",
        "办结后回来的客户更多，并不证明是办结带来的。",
    ),
    "not_handled": (
        "Not known: too few complaints, or neither answers nor resolutions are recorded.",
        "未知：投诉过少，或没有记录答复与办结。",
    ),
}

CHURN = {
    "risk": ("Customers at risk", "有流失风险的客户"),
    "risk_text": (
        "Of {customers} customers, {active} are active, {lapsed} have been silent for longer than the activity window,"
        " {churned} have left on record.",
        "{customers} 名客户中，{active} 名活跃，{lapsed} 名超过活跃窗口未购买，{churned} 名有流失记录。",
    ),
    "status_caption": ("Customers by status", "按状态的客户"),
    "status": ("Status", "状态"),
    "risk_caption": ("Active customers by churn risk", "按流失风险的活跃客户"),
    "churn_band": ("Churn risk", "流失风险"),
    "active_customers": ("Active customers", "活跃客户"),
    "monthly": ("Losses by month", "按月流失"),
    "monthly_short": (
        "Not known: no month that began with active customers is over yet.",
        "未知：尚无月初有活跃客户的完整月份。",
    ),
    "monthly_text": (
        "In {month}, of {active} customers active at its start, {silent} fell silent ({silent_rate}); {new} customers"
        " were new, {returned} came back.",
        "{month} 月初 {active} 名活跃客户中，{silent} 名陷入沉默（{silent_rate}）；新客户 {new} 名，"
        "回来的客户 {returned} 名。",
    ),
    "monthly_declared": (" {declared} left on record ({rate}).", "有流失记录 {declared} 名（{rate}）。"),
    "no_declared": (
        "Not known: how many left by own choice; there is no churn feed, or it has no records of these months.",
        "未知：主动离开的客户数；没有流失数据，或这些月份没有记录。",
    ),
    "monthly_chart": ("Share of active customers lost in each month", "每月流失的活跃客户比例"),
    "monthly_caption": (
        "Losses by month, the newest first; the two kinds are never added up",
        "按月流失（由新到旧）；两类流失从不相加",
    ),
    "monthly_share": ("Share of active customers", "占活跃客户比例"),
    "active_start": ("Active at the start (n)", "月初活跃（n）"),
    "silent": ("Fell silent", "陷入沉默"),
    "declared": ("Left on record", "有流失记录"),
    "involuntary": ("Involuntarily", "被动流失"),
    "new": ("New", "新客户"),
    "returned": ("Came back", "回来"),
    "survival": ("How long customers stay", "客户留存时长"),
    "survival_silent": (
        "After {months} months, {share} of customers have not fallen silent (90% interval {interval}, n = {n}).",
        "{months} 个月后，{share} 的客户未陷入沉默（90% 区间 {interval}，n = {n}）。",
    ),
    "survival_declared": (
        "After {months} months, {share} have not left on record (90% interval {interval}, n = {n}).",
        "{months} 个月后，{share} 的客户没有流失记录（90% 区间 {interval}，n = {n}）。",
    ),
    "survival_chart": (
        "Share of customers still there, by months since the first order",
        "首次下单后各月仍在的客户比例",
    ),
    "survival_caption": (
        "Customers still there by month of tenure (Kaplan-Meier)",
        "各时长月份仍在的客户比例（Kaplan-Meier）",
    ),
    "survival_share": ("Still there", "仍在比例"),
    "survival_how": (
        "Customers who joined late count as long as they could be watched; n is how many were watched to the end.",
        "较晚加入的客户按可观察的时间计入；n 为观察到最后的客户数。",
    ),
    "churn": ("Kind of loss", "流失类型"),
    "tenure": ("Months since the first order", "首次下单后的月数"),
    "lost": ("Lost", "流失"),
    "watched": ("Watched (n)", "观察数（n）"),
    "cohorts": ("Cohorts", "客户批次"),
    "cohorts_text": (
        "Of the {n} customers who first ordered in {cohort}, {share} were still active {months} months later.",
        "首次下单于 {cohort} 的 {n} 名客户中，{months} 个月后仍有 {share} 活跃。",
    ),
    "cohorts_chart": (
        "Share of each cohort that is still active, by months since the first order",
        "各批次客户在首次下单后各月仍活跃的比例",
    ),
    "cohorts_caption": ("Share still active by cohort and month", "各批次各月仍活跃的比例"),
    "first_order": ("First order", "首次下单"),
    "months_since": ("Months since", "之后月数"),
    "still_active": ("Still active", "仍活跃比例"),
    "month_n": ("Month {n}", "第 {n} 月"),
    "precursors": ("What came before churn", "流失前的迹象"),
    "precursors_clear": (
        "Clearly more common before a loss: {precursors}.",
        "在流失前明显更常见：{precursors}。",
    ),
    "precursor_ratio": ("{precursor} ({ratio} times as common)", "{precursor}（{ratio} 倍）"),
    "precursors_unclear": (
        "No sign was clearly more common before customers were lost than before they were kept.",
        "没有任何迹象在流失客户之前明显比在保留客户之前更常见。",
    ),
    "precursors_caption": (
        "In the 90 days before the window from {start} to {end}",
        "窗口（{start} 至 {end}）之前的 90 天内",
    ),
    "precursor": ("Sign", "迹象"),
    "before_lost": ("Before a loss", "流失客户之前"),
    "before_kept": ("Before being kept", "保留客户之前"),
    "ratio": ("Ratio", "比值"),
    "n_lost": ("Lost (n)", "流失（n）"),
    "n_kept": ("Kept (n)", "保留（n）"),
    "not_informed": ("the data cannot show it", "数据无法体现"),
    "precursors_how": (
        "This shows what goes together. It does not prove that one causes the other.",
        "这只表明同时出现，并不证明因果。",
    ),
}

MEASURES = {
    "company": ("What the company can mend", "企业可以改进的环节"),
    "company_how": (
        "In the order of the trust lost there. Mending a cause reaches all customers; contacting one reaches one.",
        "按失去信任的多少排序。改进原因惠及所有客户；联系客户一次只惠及一人。",
    ),
    "company_measure": (
        "{measure}. Reason: {stream} went badly in {failures} of {n} cases ({share}).",
        "{measure}。依据：{stream}，{n} 次中 {failures} 次不良（{share}）。",
    ),
    "no_company_measure": (
        "No measure follows from the numbers: no failures that go with trust are on record.",
        "数字未指向任何措施：没有与信任相关的失误记录。",
    ),
    "worklist": ("Customers to contact", "需要联系的客户"),
    "worklist_how": (
        "On the worklist are active customers who are likelier to be lost than others, those with the greatest expected"
        " loss first (churn risk times what they would spend in 12 months). Who they are and why is in the table"
        " retention_worklist of the BI database. Counts below leave out the comparison group.",
        "工作清单列出流失可能性高于其他人的活跃客户，预期损失最大者在前（流失风险乘以 12 个月预计消费）。"
        "具体客户与原因见 BI 数据库的 retention_worklist 表。以下计数不含对照组。",
    ),
    "priorities_caption": ("Customers to contact by priority", "按优先级的待联系客户"),
    "priority": ("Priority", "优先级"),
    "held_out": ("Left alone for comparison", "对照组（不联系）"),
    "expected_loss": ("Expected loss", "预期损失"),
    "actions_caption": ("Recommended measures and how many customers they are for", "建议措施及适用客户数"),
    "action": ("Measure", "措施"),
    "no_reason": ("No reason is known: ask the customer", "原因未知：请询问客户"),
    "holdout": ("Why some customers are left alone", "为什么有些客户不联系"),
    "holdout_counts": (
        "Left alone for comparison: {held} of {listed} customers on the worklist.",
        "对照组：工作清单 {listed} 名客户中的 {held} 名。",
    ),
    "holdout_how": (
        "Some customers of the worklist are chosen by chance, whatever their risk, and must not be contacted until the"
        " quarter is over. Only by comparing them with those who were contacted can the company learn"
        " whether contacting"
        " helps, and what it is worth. Who contacts them too loses that knowledge.",
        "工作清单中部分客户为随机选定，与风险无关，在本季度结束前不得联系。只有与被联系的客户对照，"
        "企业才能知道联系是否有效、价值多少。"
        "如果也联系他们，就失去了这一认识。",
    ),
}

APPENDIX = {
    "quality": ("Data sources and quality", "数据来源与质量"),
    "quality_text": (
        "{rows_read} rows of {deliveries} deliveries were read: {rows_accepted} accepted, {rows_quarantined} in"
        " quarantine.",
        "读取 {deliveries} 次交付共 {rows_read} 行：接受 {rows_accepted} 行，隔离 {rows_quarantined} 行。",
    ),
    "checks_text": (
        "{rules} rules were checked; {failed} did not hold, {errors} of them grave enough to stop a night.",
        "检查了 {rules} 条规则，{failed} 条未通过，其中 {errors} 条严重到足以中止运行。",
    ),
    "failed_caption": ("Checks that did not hold, up to {most}", "未通过的检查（最多 {most} 条）"),
    "table": ("Table", "表"),
    "rule": ("Rule", "规则"),
    "severity": ("Severity", "严重程度"),
    "asked": ("What is wrong and what to do", "问题与处理办法"),
    "failed_rows": ("Rows concerned", "涉及行数"),
    "models": ("How good the models are", "模型表现"),
    "models_how": (
        "A model must beat simple rules. Log loss and Brier score: the lower, the better; area under the curve and"
        " average precision: the higher, the better.",
        "模型必须优于简单规则。对数损失与 Brier 分数越低越好；曲线下面积与平均精度越高越好。",
    ),
    "no_churn_measures": (
        "Not known: no churn risk has been judged by what followed yet.",
        "未知：尚无流失风险按之后的结果评估。",
    ),
    "training_caption": (
        "Churn risk of {day}, judged by what followed, when the model was trained",
        "{day} 的流失风险：训练时按之后的结果评估",
    ),
    "backtest_caption": (
        "Churn risk of {day}, judged by what followed, in the newest backtest",
        "{day} 的流失风险：最近一次回测中按之后的结果评估",
    ),
    "trust_model_caption": ("Measures of the trust model, training of {day}", "信任模型的指标（{day} 训练）"),
    "estimator": ("Model or rule", "模型或规则"),
    "is_baseline": ("Simple rule", "简单规则"),
    "log_loss": ("Log loss", "对数损失"),
    "brier": ("Brier score", "Brier 分数"),
    "auc": ("Area under the curve", "曲线下面积"),
    "average_precision": ("Average precision", "平均精度"),
    "metric": ("Measure", "指标"),
    "value": ("Value", "值"),
    "definitions": ("Definitions", "定义"),
    "run": ("The run", "运行信息"),
    "run_caption": ("The night that these numbers come from", "这些数字来自的夜间运行"),
    "property": ("Property", "属性"),
    "meaning": ("Meaning", "含义"),
}

ANALYSIS = CHANGES | GROUPS | COMPLAINTS | CHURN | LOSSES | MEASURES | APPENDIX
