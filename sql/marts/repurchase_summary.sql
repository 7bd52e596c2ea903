-- Grain: one row per month and category of orders (and all together): how often, and how soon, another order followed.
-- Orders of one customer and day count as one purchase; followed means a purchase on a later day, of any category.
with followed as (
    select
        known_orders.customer_id,
        date_trunc('month', known_orders.ordered_date)::date as month,
        coalesce(known_orders.category, 'unknown') as category,
        getvariable('as_of') - known_orders.ordered_date as age_days,
        purchase_days.next_date - known_orders.ordered_date as days_to_next
    from known_orders
    inner join purchase_days
        on
            known_orders.customer_id = purchase_days.customer_id
            and known_orders.ordered_date = purchase_days.ordered_date
),

told as (
    select
        month,
        'all' as told_of,
        age_days,
        days_to_next
    from followed
    union all
    select
        month,
        category as told_of,
        age_days,
        days_to_next
    from followed
    where category <> 'all'
),

-- Each customer once a month: on the first of the days with an order in it; and once a month and category.
came as (
    select
        date_trunc('month', ordered_date)::date as month,
        'all' as told_of,
        count(*) as customers
    from purchase_days
    where coalesce(previous_date < date_trunc('month', ordered_date), true)
    group by date_trunc('month', ordered_date)::date
    union all
    select
        month,
        category as told_of,
        count(*) as customers
    from (
        select distinct
            customer_id,
            month,
            category
        from followed
        where category <> 'all'
    ) as once
    group by month, category
),

spoken_of as (
    select
        month,
        told_of,
        count(*) as orders,
        count(*) filter (age_days >= 30) as old_enough_30d,
        round(avg(coalesce(days_to_next <= 30, false)::bigint) filter (age_days >= 30), 4) as repurchased_30d_share,
        count(*) filter (age_days >= 60) as old_enough_60d,
        round(avg(coalesce(days_to_next <= 60, false)::bigint) filter (age_days >= 60), 4) as repurchased_60d_share,
        count(*) filter (age_days >= 90) as old_enough_90d,
        round(avg(coalesce(days_to_next <= 90, false)::bigint) filter (age_days >= 90), 4) as repurchased_90d_share,
        quantile_disc(coalesce(days_to_next, 1000000), 0.5) as days_to_next_median,
        min(age_days) as youngest_days
    from told
    group by month, told_of
),

counted as (
    select
        spoken_of.*,
        came.customers
    from spoken_of
    inner join came on spoken_of.month = came.month and spoken_of.told_of = came.told_of
),

measured as (
    select * from counted
    where customers >= getvariable('minimum_customers')
)

select
    counted.month,
    counted.told_of as category,
    getvariable('as_of') as as_of,
    last_day(counted.month) <= getvariable('as_of') as is_complete,
    counted.orders,
    counted.customers,
    measured.old_enough_30d,
    measured.repurchased_30d_share,
    measured.old_enough_60d,
    measured.repurchased_60d_share,
    measured.old_enough_90d,
    measured.repurchased_90d_share,
    -- what has not been followed yet counts as longer than any: so the median is exact where it lies within the time
    -- that every order of the month has been looked at, and not known else
    case when measured.days_to_next_median <= measured.youngest_days then measured.days_to_next_median end
        as days_to_next_median,
    counted.customers < getvariable('minimum_customers') as is_suppressed
from counted
left join measured on counted.month = measured.month and counted.told_of = measured.told_of
order by counted.told_of <> 'all', counted.told_of, counted.month
