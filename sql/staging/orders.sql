-- Grain: one row per order and version of it; a version is what the order's lines said together.
-- A version is known on the days known_from <= D < known_until;
-- the first delivery is history and counts from its event on.
-- In the order of customers, so that those of a range of customers lie together; nothing may depend on it.
-- Amounts are in the reporting currency by the rate of the order's day; null where a line's rate is not known.
with rate as (
    select
        currency,
        rate_date,
        load_date,
        rate,
        known_from(rate_date, load_date, getvariable('first_delivery')['fx_rates']) as known_from
    from raw.fx_rates
    where load_date <= getvariable('until')
),

delivered as (
    select
        *,
        business_date(ordered_at) as line_date,
        known_from(business_date(ordered_at), load_date, getvariable('first_delivery')['purchases']) as known_from
    from raw.purchases
    where load_date <= getvariable('until')
),

-- The rate that was known when the line was: a rate that comes or is corrected later changes nothing that was scored.
rate_of_day as (
    select
        foreign_day.currency,
        foreign_day.line_date,
        foreign_day.known_from,
        arg_max(rate.rate, (rate.rate_date, rate.load_date)) as rate
    from (
        select distinct
            currency,
            line_date,
            known_from
        from delivered
        where currency <> getvariable('currency')
    ) as foreign_day
    inner join rate
        on
            foreign_day.currency = rate.currency
            and foreign_day.line_date >= rate.rate_date
            and foreign_day.known_from >= rate.known_from
    group by all
),

line as (
    select
        delivered.* exclude (amount, line_date),
        cast(
            delivered.amount * case when delivered.currency = getvariable('currency') then 1 else rate_of_day.rate end
            as decimal(28, 6)
        ) as amount,
        coalesce(
            list_contains(getvariable('fault_reasons'), delivered.return_reason)
            or (delivered.return_reason is null and getvariable('unexplained_returns') = 'failure'),
            false
        ) as is_fault,
        least(delivered.returned_at, delivered.cancelled_at) as undone_at
    from delivered
    left join rate_of_day
        on
            delivered.currency = rate_of_day.currency
            and delivered.line_date = rate_of_day.line_date
            and delivered.known_from = rate_of_day.known_from
),

-- Most orders are one line that was delivered once: these are taken over as they are, without any search or sum.
several as (
    select order_id from delivered
    group by order_id
    having count(*) > 1
),

-- Of the others most were delivered once and never changed: one version, without any search for others.
changed as (
    select delivered.order_id
    from delivered
    semi join several on delivered.order_id = several.order_id
    group by delivered.order_id
    having min(known_from) < max(known_from)
),

version as (
    select
        line.order_id,
        line.known_from,
        lead(line.known_from) over (partition by line.order_id order by line.known_from) as known_until
    from line
    semi join changed on line.order_id = changed.order_id
    group by line.order_id, line.known_from
),

line_version as (
    select
        line.*,
        lead(line.known_from) over (
            partition by line.order_id, line.line_no order by line.load_date
        ) as line_known_until
    from line
    semi join changed on line.order_id = changed.order_id
),

line_of_version as (
    select
        line.*,
        cast(null as date) as version_from,
        cast(null as date) as version_until
    from line
    semi join several on line.order_id = several.order_id
    anti join changed on line.order_id = changed.order_id
    union all by name
    select
        line_version.* exclude (line_known_until),
        version.known_from as version_from,
        version.known_until as version_until
    from version
    inner join line_version
        on
            version.order_id = line_version.order_id
            and version.known_from >= line_version.known_from
            and (line_version.line_known_until is null or version.known_from < line_version.line_known_until)
)

select
    order_id,
    arg_min(customer_id, line_no) as customer_id,
    min(ordered_at) as ordered_at,
    business_date(min(ordered_at)) as ordered_date,
    cast(case when count(amount) = count(*) then sum(amount) end as double) as amount,
    count(*) as lines,
    cast(sum(cast(quantity as decimal(24, 6))) as double) as quantity,
    count(distinct product_id) as products,
    arg_max(category, (amount, -line_no)) as category,
    arg_min(channel, line_no) as channel,
    max(promised_at) as promised_at,
    case
        when count(delivered_at) > 0 and count(coalesce(delivered_at, cancelled_at)) = count(*)
            then max(coalesce(delivered_at, cancelled_at))
    end as delivered_at,
    min(undone_at) as returned_at,
    case
        when count(amount) = count(*) and sum(amount) > 0
            then cast(coalesce(sum(amount) filter (undone_at is not null), 0) as double) / cast(sum(amount) as double)
        else count(undone_at) / count(*)
    end as returned_share,
    arg_min_null(return_reason, (undone_at, line_no)) filter (undone_at is not null) as return_reason,
    min(undone_at) filter (is_fault) as fault_at,
    case when count(cancelled_at) = count(*) then max(cancelled_at) end as cancelled_at,
    coalesce(version_from, min(known_from)) as known_from,
    version_until as known_until
from line_of_version
group by order_id, version_from, version_until

union all

select
    line.order_id,
    line.customer_id,
    line.ordered_at,
    business_date(line.ordered_at) as ordered_date,
    cast(line.amount as double) as amount,
    1 as lines,
    cast(cast(line.quantity as decimal(24, 6)) as double) as quantity,
    cast(line.product_id is not null as bigint) as products,
    line.category,
    line.channel,
    line.promised_at,
    line.delivered_at,
    line.undone_at as returned_at,
    cast(line.undone_at is not null as double) as returned_share,
    case when line.undone_at is not null then line.return_reason end as return_reason,
    case when line.is_fault then line.undone_at end as fault_at,
    line.cancelled_at,
    line.known_from,
    cast(null as date) as known_until
from line
anti join several on line.order_id = several.order_id
order by customer_id
